// Makes tokens impossible that would repeat an n-gram of the prompt and the answer. Source: Paulus
// et al. 2017 (trigrams, in beam search); counts the prompt as transformers does.
#pragma once

#include "sampling/candidates.h"
#include "sampling/token_history.h"
#include "sampling/transforms/ban_tokens.h"

#include <algorithm>
#include <vector>

namespace trellis {

/// size > 0; 1 bans every token that has come. The candidates must still be in order of their ids.
inline void apply_no_repeat_ngram(int size, const TokenHistory& history, Candidates& candidates) {
  const std::span<const int32_t> tokens = history.tokens();
  const auto num_before = static_cast<size_t>(size) - 1;  // tokens of an n-gram before its last
  if (tokens.size() <= num_before) return;
  const auto last = tokens.last(num_before);
  std::vector<int32_t> repeating;
  for (size_t end = num_before; end < tokens.size(); ++end) {
    const auto before = tokens.subspan(end - num_before, num_before);
    if (std::equal(before.begin(), before.end(), last.begin())) repeating.push_back(tokens[end]);
  }
  ban_tokens(repeating, candidates);
}

}  // namespace trellis
