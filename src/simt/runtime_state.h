// What the parts of the runtime API share: errors, streams as recorders, and device memory.
#pragma once

#include "simt/runtime_api.h"

#include <functional>
#include <string>
#include <vector>

namespace simt {

/// Notes an error for cudaGetLastError() and returns it.
cudaError_t report(cudaError_t error);

/// A kernel failed: every later call returns this error. The message goes to stderr.
cudaError_t report_launch_failure(const std::string& message);

/// cudaErrorLaunchFailure after a kernel has failed, else cudaSuccess.
cudaError_t sticky_error();

using Operation = std::function<cudaError_t()>;

/// Runs the operation, or records it where the stream is being captured.
cudaError_t submit(cudaStream_t stream, Operation operation);

/// What a call that waits for the device returns: an error while a capture forbids waiting.
cudaError_t check_may_wait();

/// Whether the bytes lie within one allocation of device memory.
bool is_device_memory(const void* pointer, std::size_t bytes);

/// The name of the function at an address, from the symbols of the running program.
std::string function_name(const void* address);

}  // namespace simt
