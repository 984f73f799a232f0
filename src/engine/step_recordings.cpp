#include "engine/step_recordings.h"

#include <algorithm>

namespace trellis {

void StepRecordings::run(const StepShape& shape, const std::function<void()>& fn) {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.shape == shape;
  });
  if (found == entries_.end()) {
    fn();
    if (entries_.size() == kMost) entries_.pop_back();
    entries_.insert(entries_.begin(), {shape, nullptr});
    return;
  }
  std::rotate(entries_.begin(), found, found + 1);
  Entry& entry = entries_.front();
  if (!entry.replay) entry.replay = backend_.record(fn);
  entry.replay();
}

}  // namespace trellis
