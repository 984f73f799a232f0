// The GPUs that the CUDA runtime shows, and in one sentence why there is none. Nothing here throws:
// a machine without a driver is an ordinary machine.
#pragma once

#include "backend/devices.h"

#include <optional>
#include <string>

namespace trellis {

/// Every GPU, those that this build cannot use with the problem. Makes no context on any of them.
/// Returns within half a minute even where the driver does not answer.
GpuList list_cuda_gpus();

/// Bytes free on a GPU. Makes a context there, which takes memory itself until the process ends;
/// none where that fails or takes more than half a minute.
std::optional<size_t> available_cuda_memory(int index);

namespace cuda {

/// "13.0" for 13000, as the runtime numbers versions; "" for 0.
std::string version_text(int version);

/// Whether the tensor cores' asynchronous products can be used on a GPU of this compute capability:
/// it and this build must be of sm_90a.
bool has_wgmma(int major, int minor);

/// Why cudaGetDeviceCount gave no GPU. status: its cudaError_t. driver and runtime: versions as the
/// runtime numbers them, driver 0 where there is none.
std::string missing_gpu_reason(int status, int driver, int runtime);

}  // namespace cuda
}  // namespace trellis
