// Errors of the runtime API: the last one, and the failure of a kernel, which stays.
#include "simt/device.h"
#include "simt/runtime_state.h"

#include <cstdio>
#include <mutex>

namespace simt {
namespace {

struct Errors {
  std::mutex mutex;
  cudaError_t last = cudaSuccess;
  bool kernel_failed = false;
  std::string failure_text;
};

Errors& errors() {
  static Errors errors;
  return errors;
}

struct ErrorText {
  cudaError_t error;
  const char* name;
  const char* text;
};

constexpr ErrorText kErrorTexts[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInitializationError, "cudaErrorInitializationError", "initialization error"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration",
     "invalid configuration argument"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorNoKernelImageForDevice, "cudaErrorNoKernelImageForDevice",
     "no kernel image is available for execution on the device"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "an illegal memory access was encountered"
    },
    {cudaErrorLaunchOutOfResources, "cudaErrorLaunchOutOfResources",
     "too many resources requested for launch"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
     "operation not permitted when stream is capturing"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated",
     "operation failed due to a previous error during capture"},
    {cudaErrorStreamCaptureUnmatched, "cudaErrorStreamCaptureUnmatched",
     "capture was not initiated in this stream"},
    {cudaErrorStreamCaptureUnjoined, "cudaErrorStreamCaptureUnjoined",
     "capturing stream has unjoined work"},
    {cudaErrorUnknown, "cudaErrorUnknown", "unknown error"},
};

const ErrorText& text_of(cudaError_t error) {
  for (const ErrorText& candidate : kErrorTexts) {
    if (candidate.error == error) return candidate;
  }
  static constexpr ErrorText kUnrecognized{
      cudaErrorUnknown, "unrecognized error code", "unrecognized error code"
  };
  return kUnrecognized;
}

}  // namespace

cudaError_t report(cudaError_t error) {
  if (error == cudaSuccess) return error;
  Errors& all = errors();
  const std::lock_guard lock(all.mutex);
  all.last = error;
  return error;
}

cudaError_t report_launch_failure(const std::string& message) {
  std::fprintf(stderr, "simt: %s\n", message.c_str());
  Errors& all = errors();
  const std::lock_guard lock(all.mutex);
  all.last = cudaErrorLaunchFailure;
  all.kernel_failed = true;
  all.failure_text = std::string(text_of(cudaErrorLaunchFailure).text) + ": " + message;
  return cudaErrorLaunchFailure;
}

cudaError_t sticky_error() {
  Errors& all = errors();
  const std::lock_guard lock(all.mutex);
  return all.kernel_failed ? cudaErrorLaunchFailure : cudaSuccess;
}

void reset_errors() {
  Errors& all = errors();
  const std::lock_guard lock(all.mutex);
  all.last = cudaSuccess;
  all.kernel_failed = false;
  all.failure_text.clear();
}

}  // namespace simt

cudaError_t cudaGetLastError() {
  simt::Errors& all = simt::errors();
  const std::lock_guard lock(all.mutex);
  const cudaError_t last = all.last;
  all.last = all.kernel_failed ? cudaErrorLaunchFailure : cudaSuccess;
  return last;
}

cudaError_t cudaPeekAtLastError() {
  simt::Errors& all = simt::errors();
  const std::lock_guard lock(all.mutex);
  return all.last;
}

const char* cudaGetErrorName(cudaError_t error) {
  return simt::text_of(error).name;
}

const char* cudaGetErrorString(cudaError_t error) {
  simt::Errors& all = simt::errors();
  const std::lock_guard lock(all.mutex);
  if (error == cudaErrorLaunchFailure && all.kernel_failed) return all.failure_text.c_str();
  return simt::text_of(error).text;
}
