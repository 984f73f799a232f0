// The one place that names the backends.
#include "backend/backend.h"
#if __has_include("backend/cpu/cpu_backend.h")
#include "backend/cpu/cpu_backend.h"
#define TRELLIS_HAS_CPU
#endif
#include "backend/reference/reference_backend.h"

#include <array>

namespace trellis {
namespace {

struct Entry {
  const char* name;
  std::unique_ptr<Backend> (*make)(const BackendOptions& options);
};

#ifdef TRELLIS_HAS_CPU
std::unique_ptr<Backend> make_cpu(const BackendOptions& options) {
  return make_cpu_backend(options);
}
#endif

/// Fastest first: "auto" takes the first.
constexpr std::array kBackends = {
#ifdef TRELLIS_HAS_CPU
    Entry{"cpu", make_cpu},
#endif
    Entry{"reference", make_reference_backend},
};

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
