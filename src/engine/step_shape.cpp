#include "engine/step_shape.h"

#include "backend/args.h"
#include "base/error.h"

#include <algorithm>
#include <bit>

namespace trellis {
namespace {

constexpr size_t kMostEntryTokens = 8;
constexpr size_t kMostTokens = 256;

}  // namespace

StepShape shape_of(const Step& step) {
  StepShape shape;
  int64_t positions = kPageTokens;
  shape.num_sequences = static_cast<int64_t>(step.entries.size());
  for (const StepEntry& entry : step.entries) {
    TRELLIS_CHECK(!entry.tokens.empty(), "an entry of a step has tokens");
    const auto count = static_cast<int64_t>(entry.tokens.size());
    shape.num_tokens += count;
    shape.num_logits += entry.num_logits;
    shape.num_states += entry.num_states;
    positions = std::max(positions, entry.first_position + count);
  }
  shape.kv_bound = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(positions)));
  return shape;
}

bool is_worth_recording(const Step& step) {
  size_t tokens = 0;
  for (const StepEntry& entry : step.entries) {
    if (entry.tokens.size() > kMostEntryTokens) return false;
    tokens += entry.tokens.size();
  }
  return tokens <= kMostTokens;
}

}  // namespace trellis
