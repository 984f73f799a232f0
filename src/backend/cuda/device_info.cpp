#include "backend/cuda/device_info.h"

#include "backend/cuda/architectures.h"

#include <cuda_runtime.h>
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <future>
#include <thread>

namespace trellis {
namespace cuda {
namespace {

/// A first call initialises every GPU of the machine, which takes seconds where there are many.
constexpr std::chrono::seconds kDriverPatience(30);

/// What ask() returns, or nothing if it takes longer than kDriverPatience. A driver whose GPU hangs
/// never comes back, so its thread is left behind.
template <typename T>
std::optional<T> answer_in_time(std::function<T()> ask) {
  std::packaged_task<T()> task(std::move(ask));
  std::future<T> answer = task.get_future();
  std::thread(std::move(task)).detach();
  if (answer.wait_for(kDriverPatience) != std::future_status::ready) return std::nullopt;
  return answer.get();
}

int attribute(cudaDeviceAttr which, int device) {
  int value = 0;
  return cudaDeviceGetAttribute(&value, which, device) == cudaSuccess ? value : 0;
}

GpuDevice describe(int index) {
  GpuDevice gpu;
  gpu.index = index;
  cudaDeviceProp properties{};
  const cudaError_t status = cudaGetDeviceProperties(&properties, index);
  if (status != cudaSuccess) {
    gpu.problem = fmt::format("it does not answer: {}", cudaGetErrorString(status));
    return gpu;
  }
  gpu.name = properties.name;
  gpu.compute_major = properties.major;
  gpu.compute_minor = properties.minor;
  gpu.multiprocessors = properties.multiProcessorCount;
  gpu.total_bytes = properties.totalGlobalMem;
  if (!any_runs_on(TRELLIS_CUDA_ARCHS, gpu.compute_major, gpu.compute_minor)) {
    gpu.problem = fmt::format(
        "this build has no code for compute capability {}.{}, only for {} (see TRELLIS_CUDA_ARCHS)",
        gpu.compute_major, gpu.compute_minor, TRELLIS_CUDA_ARCHS
    );
  } else if (attribute(cudaDevAttrComputeMode, index) == cudaComputeModeProhibited) {
    gpu.problem = "its compute mode is Prohibited (nvidia-smi -c sets another)";
  }
  return gpu;
}

GpuList ask_runtime() {
  GpuList list;
  int driver = 0;
  int runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  list.cuda_driver = version_text(driver);
  list.cuda_runtime = version_text(runtime);
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess || count == 0) {
    list.reason =
        missing_gpu_reason(status == cudaSuccess ? cudaErrorNoDevice : status, driver, runtime);
    return list;
  }
  for (int index = 0; index < count; ++index) list.gpus.push_back(describe(index));
  return list;
}

}  // namespace

std::string version_text(int version) {
  if (version == 0) return "";
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

bool has_wgmma(int major, int minor) {
  return major == 9 && minor == 0 && any_is(TRELLIS_CUDA_ARCHS, "90a");
}

std::string missing_gpu_reason(int status, int driver, int runtime) {
  if (driver == 0) return "this machine has no NVIDIA driver (libcuda.so.1 was not found)";
  if (status == cudaErrorInsufficientDriver) {
    return fmt::format(
        "the NVIDIA driver is too old: it knows CUDA up to {}, and this build needs {}.0",
        version_text(driver), runtime / 1000
    );
  }
  if (status == cudaErrorNoDevice) {
    const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
    if (visible == nullptr) return "the NVIDIA driver is there but finds no GPU";
    return fmt::format("the NVIDIA driver finds no GPU; CUDA_VISIBLE_DEVICES is \"{}\"", visible);
  }
  return fmt::format(
      "the NVIDIA driver failed: {}", cudaGetErrorString(static_cast<cudaError_t>(status))
  );
}

}  // namespace cuda

GpuList list_cuda_gpus() {
  std::optional<GpuList> list = cuda::answer_in_time<GpuList>(cuda::ask_runtime);
  if (list) return *std::move(list);
  return {.reason = "the NVIDIA driver did not answer within 30 seconds; nvidia-smi may show why"};
}

std::optional<size_t> available_cuda_memory(int index) {
  const auto ask = [index]() -> std::optional<size_t> {
    size_t available = 0;
    size_t total = 0;
    if (cudaSetDevice(index) != cudaSuccess) return std::nullopt;
    if (cudaMemGetInfo(&available, &total) != cudaSuccess) return std::nullopt;
    return available;
  };
  return cuda::answer_in_time<std::optional<size_t>>(ask).value_or(std::nullopt);
}

}  // namespace trellis
