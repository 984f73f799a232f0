// Don't repeat yourself: makes tokens less likely that would prolong a repetition, exponentially in
// its length. Source: Weidmann 2024 (text-generation-webui#5677); lengths by the Z function, as in
// llama.cpp.
#pragma once

#include "sampling/candidates.h"
#include "sampling/token_history.h"
#include "trellis/sampling_params.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <unordered_map>
#include <vector>

namespace trellis {

/// For each end of the tokens that came before, how many tokens up to there equal the last ones:
/// [i] is for the end i tokens before the last; [0] is all of them.
inline std::vector<size_t> repeated_lengths(std::span<const int32_t> tokens) {
  const size_t count = tokens.size();
  const auto from_end = [&](size_t i) { return tokens[count - 1 - i]; };
  std::vector<size_t> lengths(count, count);
  // [begin, end) is the match that reaches farthest back so far. Source: Gusfield 1997,
  // section 1.4.
  size_t begin = 0;
  size_t end = 0;
  for (size_t i = 1; i < count; ++i) {
    size_t length = i < end ? std::min(end - i, lengths[i - begin]) : 0;
    while (i + length < count && from_end(length) == from_end(i + length)) ++length;
    lengths[i] = length;
    if (i + length > end) {
      begin = i;
      end = i + length;
    }
  }
  return lengths;
}

/// A token that has followed the last n tokens before loses multiplier * base^(n - allowed length),
/// for the longest n, from the allowed length on. Neither goes a repetition across a breaker, nor
/// does a breaker lose anything. The candidates must still be in order of their ids.
inline void apply_dry(
    const SamplingParams& params, const TokenHistory& history, Candidates& candidates
) {
  std::span<const int32_t> tokens = history.tokens();
  if (params.dry_range > 0) {
    tokens = tokens.last(std::min(tokens.size(), static_cast<size_t>(params.dry_range)));
  }
  const auto breaks = [&](int32_t id) { return params.dry_breaker_ids.contains(id); };
  const auto since_breaker =
      static_cast<size_t>(std::find_if(tokens.rbegin(), tokens.rend(), breaks) - tokens.rbegin());
  const auto allowed = static_cast<size_t>(params.dry_allowed_length);
  if (since_breaker < allowed) return;

  const std::vector<size_t> lengths = repeated_lengths(tokens);
  std::unordered_map<int32_t, size_t> longest;  // by the token that followed
  for (size_t i = 1; i < tokens.size(); ++i) {
    const size_t length = std::min(lengths[i], since_breaker);
    const int32_t next = tokens[tokens.size() - i];
    if (length < allowed || breaks(next)) continue;
    longest[next] = std::max(longest[next], length);
  }
  constexpr double kMostPenalty = 1e30;  // leaves a logit finite: possible where all else is not
  for (const auto& [id, length] : longest) {
    if (static_cast<size_t>(id) >= candidates.size()) continue;
    const double penalty =
        static_cast<double>(params.dry_multiplier) *
        std::pow(static_cast<double>(params.dry_base), static_cast<double>(length - allowed));
    candidates.items()[static_cast<size_t>(id)].logit -=
        static_cast<float>(std::min(penalty, kMostPenalty));
  }
}

}  // namespace trellis
