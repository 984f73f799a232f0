// The one place that names the backends.
#include "backend/backend.h"
#include "backend/cpu/cpu_backend.h"
#include "backend/reference/reference_backend.h"

#include <array>

namespace trellis {
namespace {

struct Entry {
  const char* name;
  std::unique_ptr<Backend> (*make)(const BackendOptions& options);
};

std::unique_ptr<Backend> make_cpu(const BackendOptions& options) {
  return make_cpu_backend(options);
}

/// Fastest first: "auto" takes the first.
constexpr std::array<Entry, 2> kBackends = {{
    {"cpu", make_cpu},
    {"reference", make_reference_backend},
}};

}  // namespace

std::unique_ptr<Backend> create_backend(const std::string& name, const BackendOptions& options) {
  if (name == "auto") return kBackends.front().make(options);
  for (const Entry& entry : kBackends) {
    if (name == entry.name) return entry.make(options);
  }
  std::string names = "auto";
  for (const Entry& entry : kBackends) names += fmt::format(", {}", entry.name);
  throw UserError("there is no backend \"{}\"; choose one of: {}", name, names);
}

}  // namespace trellis
