// The one place that names the backends.
#include "backend/backend.h"
#include "backend/cpu/cpu_backend.h"
#if TRELLIS_CUDA
#include "backend/cuda/cuda_backend.h"
#endif
#include "backend/devices.h"
#include "backend/reference/reference_backend.h"

#include <algorithm>

namespace trellis {
namespace {

struct Entry {
  const char* name;
  std::unique_ptr<Backend> (*make)(const BackendOptions& options);
};

std::unique_ptr<Backend> make_cpu(const BackendOptions& options) {
  return make_cpu_backend(options);
}

std::unique_ptr<Backend> make_cuda([[maybe_unused]] const BackendOptions& options) {
#if TRELLIS_CUDA
  return make_cuda_backend(options);
#else
  throw UserError(list_gpus().reason);
#endif
}

constexpr Entry kBackends[] = {
    {"cuda", make_cuda},
    {"cpu", make_cpu},
    {"reference", make_reference_backend},
};

bool has_usable_gpu() {
  const std::vector<GpuDevice> gpus = list_gpus().gpus;
  return std::any_of(gpus.begin(), gpus.end(), [](const GpuDevice& gpu) {
    return gpu.problem.empty();
  });
}

}  // namespace

std::unique_ptr<Backend> create_backend(const std::string& name, const BackendOptions& options) {
  if (name == "auto") {
    return create_backend(has_usable_gpu() || options.device > 0 ? "cuda" : "cpu", options);
  }
  for (const Entry& entry : kBackends) {
    if (name != entry.name) continue;
    if (options.device > 0 && name != "cuda") {
      throw UserError("the {} backend has no device {}; devices are GPUs", name, options.device);
    }
    return entry.make(options);
  }
  std::string names = "auto";
  for (const Entry& entry : kBackends) names += fmt::format(", {}", entry.name);
  throw UserError("there is no backend \"{}\"; choose one of: {}", name, names);
}

}  // namespace trellis
