// The recordings of steps that came up again and again: on a GPU a whole step is then one launch.
#pragma once

#include "backend/backend.h"
#include "engine/step_shape.h"

#include <cstddef>
#include <functional>
#include <vector>

namespace trellis {

/// Borrows the backend, which must outlive it. One thread.
class StepRecordings {
 public:
  /// Recordings kept at a time; the one that was not used for longest goes first. Each takes a few
  /// megabytes of a GPU.
  static constexpr size_t kMost = 64;

  explicit StepRecordings(Backend& backend) : backend_(backend) {}

  /// Runs the ops that fn issues: the first time that a shape comes up by calling fn, which lets
  /// the workspace grow, the second time by recording fn, and from then on from the recording. For
  /// one shape fn must always issue the same calls on the same addresses, and own what it uses.
  void run(const StepShape& shape, const std::function<void()>& fn);

  /// To be called before memory that was used in run() is given back.
  void clear() { entries_.clear(); }

 private:
  struct Entry {
    StepShape shape;
    Replay replay;  // empty: came up once
  };

  Backend& backend_;
  std::vector<Entry> entries_;  // the one used last is the first
};

}  // namespace trellis
