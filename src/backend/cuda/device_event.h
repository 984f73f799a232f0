// A moment in a stream that the host can wait for, or measure from.
#pragma once

#include "backend/cuda/cuda_check.h"

#include <cuda_runtime.h>

namespace trellis::cuda {

/// Owns an event of the runtime, on the device that is current when it is made.
class Event {
 public:
  /// kTimed: cudaEventElapsedTime() may be asked; others are cheaper.
  enum class Kind : unsigned { kUntimed = cudaEventDisableTiming, kTimed = cudaEventDefault };

  explicit Event(Kind kind = Kind::kUntimed) {
    TRELLIS_CUDA_CHECK(cudaEventCreateWithFlags(&event_, static_cast<unsigned>(kind)));
  }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  cudaEvent_t get() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace trellis::cuda
