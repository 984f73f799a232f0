#include "backend/devices.h"

#include "backend/cpu/cpu_backend.h"
#include "base/host_memory.h"
#include "base/thread_pool.h"
#if TRELLIS_CUDA
#include "backend/cuda/device_info.h"
#endif

#include <fstream>

namespace trellis {
namespace {

/// "model name" of the first processor in /proc/cpuinfo.
std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("model name")) continue;
    const size_t begin = line.find_first_not_of(" \t", line.find(':') + 1);
    if (begin != std::string::npos) return line.substr(begin);
  }
  return "unknown processor";
}

}  // namespace

CpuDevice describe_cpu() {
  return {
      processor_name(), chosen_cpu_isa(), ThreadPool::available_cpus(), total_host_memory(),
      available_host_memory()
  };
}

GpuList list_gpus() {
#if TRELLIS_CUDA
  return list_cuda_gpus();
#else
  return {.reason = "this build of trellis has no CUDA; `make cuda` builds one that has"};
#endif
}

std::optional<size_t> available_gpu_memory([[maybe_unused]] int index) {
#if TRELLIS_CUDA
  return available_cuda_memory(index);
#else
  return std::nullopt;
#endif
}

}  // namespace trellis
