#include "server/models/model_state.h"

namespace trellis::server {

const char* model_state_name(ModelState state) {
  switch (state) {
    case ModelState::kAvailable:
      return "available";
    case ModelState::kLoading:
      return "loading";
    case ModelState::kReady:
      return "ready";
    case ModelState::kUnloading:
      return "unloading";
    case ModelState::kFailed:
      return "failed";
  }
  return "";
}

double LoadState::progress() const {
  if (state == ModelState::kReady) return 1.0;
  if (total_bytes == 0) return 0.0;
  return static_cast<double>(done_bytes) / static_cast<double>(total_bytes);
}

}  // namespace trellis::server
