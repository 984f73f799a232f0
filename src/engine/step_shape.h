// What of a step is the same for many steps: its sizes. Two steps of one shape are the same calls
// on arrays at the same addresses, so a recording of one computes the other.
#pragma once

#include "engine/step.h"

#include <cstdint>

namespace trellis {

struct StepShape {
  int64_t num_tokens = 0;
  int64_t num_sequences = 0;
  int64_t num_logits = 0;
  int64_t num_states = 0;
  int64_t kv_bound = 0;  // a power of two, and no sequence has more positions

  bool operator==(const StepShape&) const = default;
};

/// Every entry must have tokens.
StepShape shape_of(const Step& step);

/// Whether the step is short for the device, so that what the host does for each op counts: single
/// tokens, or a few that are checked together, of some sequences.
bool is_worth_recording(const Step& step);

}  // namespace trellis
