// Streams, events and graphs. A stream runs what it is given at once, or records it: a graph is the
// list of what its streams were given, in the order in which they were given it.
#include "simt/runtime_state.h"

#include <chrono>
#include <memory>
#include <mutex>
#include <utility>

namespace simt {
namespace {

/// A capture that goes on in one stream and those that joined it through an event.
struct Capture {
  cudaStream_t origin = nullptr;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  bool invalidated = false;
  std::vector<Operation> operations;
  std::vector<cudaStream_t> streams;
};

std::mutex& state_mutex() {
  static std::mutex mutex;
  return mutex;
}

/// The captures under way; guarded by state_mutex(), as are the members of streams and events.
std::vector<std::shared_ptr<Capture>>& captures() {
  static std::vector<std::shared_ptr<Capture>> captures;
  return captures;
}

}  // namespace
}  // namespace simt

struct CUstream_st {
  std::shared_ptr<simt::Capture> capture;
  bool has_unjoined_work = false;  // of a capture that began elsewhere
};

struct CUevent_st {
  bool timed = true;
  bool recorded = false;
  std::chrono::steady_clock::time_point time;
  std::shared_ptr<simt::Capture> capture;  // where it was recorded in one
  cudaStream_t stream = nullptr;
};

struct CUgraph_st {
  std::vector<simt::Operation> operations;
};

struct CUgraphExec_st {
  std::vector<simt::Operation> operations;
};

namespace simt {

cudaError_t submit(cudaStream_t stream, Operation operation) {
  if (const cudaError_t error = sticky_error()) return error;
  {
    const std::lock_guard lock(state_mutex());
    if (stream && stream->capture) {
      if (stream->capture->invalidated) return report(cudaErrorStreamCaptureInvalidated);
      stream->capture->operations.push_back(std::move(operation));
      stream->has_unjoined_work = true;
      return cudaSuccess;
    }
    for (const auto& capture : captures()) {  // the legacy stream waits for all others
      if (!stream && capture->mode != cudaStreamCaptureModeRelaxed) {
        capture->invalidated = true;
        return report(cudaErrorStreamCaptureUnsupported);
      }
    }
  }
  return report(operation());
}

cudaError_t check_may_wait() {
  const std::lock_guard lock(state_mutex());
  for (const auto& capture : captures()) {
    if (capture->mode == cudaStreamCaptureModeRelaxed) continue;
    capture->invalidated = true;
    return cudaErrorStreamCaptureUnsupported;
  }
  return cudaSuccess;
}

}  // namespace simt

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  *stream = new CUstream_st;
  return simt::sticky_error();
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned /*flags*/) {
  return cudaStreamCreate(stream);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return simt::sticky_error();
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const std::lock_guard lock(simt::state_mutex());
  if (stream && stream->capture) {
    stream->capture->invalidated = true;
    return simt::report(cudaErrorStreamCaptureUnsupported);
  }
  return simt::sticky_error();
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return cudaStreamSynchronize(stream);
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  const std::lock_guard lock(simt::state_mutex());
  if (!stream || stream->capture) return simt::report(cudaErrorStreamCaptureUnsupported);
  stream->capture = std::make_shared<simt::Capture>();
  stream->capture->origin = stream;
  stream->capture->mode = mode;
  stream->capture->streams = {stream};
  simt::captures().push_back(stream->capture);
  return simt::sticky_error();
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const std::lock_guard lock(simt::state_mutex());
  *graph = nullptr;
  if (!stream || !stream->capture || stream->capture->origin != stream) {
    return simt::report(cudaErrorStreamCaptureUnmatched);
  }
  const std::shared_ptr<simt::Capture> capture = stream->capture;
  bool unjoined = false;
  for (const cudaStream_t member : capture->streams) {
    if (member != stream && member->has_unjoined_work) unjoined = true;
    member->capture = nullptr;
    member->has_unjoined_work = false;
  }
  std::erase(simt::captures(), capture);
  if (capture->invalidated) return simt::report(cudaErrorStreamCaptureInvalidated);
  if (unjoined) return simt::report(cudaErrorStreamCaptureUnjoined);
  *graph = new CUgraph_st{std::move(capture->operations)};
  return simt::sticky_error();
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  const std::lock_guard lock(simt::state_mutex());
  *status = cudaStreamCaptureStatusNone;
  if (stream && stream->capture) {
    *status = stream->capture->invalidated ? cudaStreamCaptureStatusInvalidated
                                           : cudaStreamCaptureStatusActive;
  }
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned /*flags*/) {
  const std::lock_guard lock(simt::state_mutex());
  if (!event) return simt::report(cudaErrorInvalidResourceHandle);
  if (event->capture && event->capture == (event->stream ? event->stream->capture : nullptr)) {
    if (!stream) return simt::report(cudaErrorStreamCaptureUnsupported);
    if (!stream->capture) {  // the stream joins the capture
      stream->capture = event->capture;
      stream->capture->streams.push_back(stream);
      stream->has_unjoined_work = true;
    }
    // What the event's stream was given so far has a successor in this stream.
    if (stream != event->stream) event->stream->has_unjoined_work = false;
  }
  return simt::sticky_error();
}

cudaError_t cudaGraphInstantiate(
    cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long /*flags*/
) {
  if (!graph) return simt::report(cudaErrorInvalidValue);
  *executable = new CUgraphExec_st{graph->operations};
  return simt::sticky_error();
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  if (!executable) return simt::report(cudaErrorInvalidValue);
  return simt::submit(stream, [operations = executable->operations] {
    for (const simt::Operation& operation : operations) {
      if (const cudaError_t error = operation()) return error;
    }
    return cudaSuccess;
  });
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return simt::sticky_error();
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return simt::sticky_error();
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  *event = new CUevent_st;
  (*event)->timed = (flags & cudaEventDisableTiming) == 0;
  return simt::sticky_error();
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return simt::sticky_error();
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const std::lock_guard lock(simt::state_mutex());
  if (!event) return simt::report(cudaErrorInvalidResourceHandle);
  event->recorded = true;
  event->time = std::chrono::steady_clock::now();
  event->stream = stream;
  event->capture = stream ? stream->capture : nullptr;
  return simt::sticky_error();
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const std::lock_guard lock(simt::state_mutex());
  if (!event) return simt::report(cudaErrorInvalidResourceHandle);
  if (event->capture) {
    event->capture->invalidated = true;
    return simt::report(cudaErrorStreamCaptureUnsupported);
  }
  return simt::sticky_error();
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  return cudaEventSynchronize(event);
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  const std::lock_guard lock(simt::state_mutex());
  for (const cudaEvent_t event : {start, end}) {
    if (!event || !event->timed || !event->recorded || event->capture) {
      return simt::report(cudaErrorInvalidResourceHandle);
    }
  }
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - start->time).count();
  return simt::sticky_error();
}
