// One forward pass of a batch, as a list: prompt chunks and single tokens are the same thing with
// other numbers.
#pragma once

#include "cache/sequence_cache.h"

#include <cstdint>
#include <span>
#include <vector>

namespace trellis {

/// Some consecutive tokens of one sequence.
struct StepEntry {
  const SequenceCache* cache = nullptr;  // has room for first_position + tokens.size() positions
  int64_t first_position = 0;
  std::span<const int32_t> tokens;
  int num_logits = 0;   // how many of the last tokens want logits
  int first_state = 0;  // which of the tokens
  int num_states = 0;   // want their hidden states
  int chosen_row = -1;  // not negative: the last token is the one that ModelRunner::choose() was
                        // last told to choose from this row, and the host may not know it yet
};

struct Step {
  std::vector<StepEntry> entries;
};

}  // namespace trellis
