// Keeps the tokens whose surprise is nearest to the expected one, as many as reach p together.
// Source: Meister et al. 2022 (locally typical sampling).
#pragma once

#include "backend/token_choice.h"
#include "sampling/candidates.h"
#include "sampling/entropy.h"
#include "sampling/weight_sum.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace trellis {

/// 0 < p < 1. At least one token stays; of tokens equally near the lower ids do.
inline void apply_typical_p(float p, Candidates& candidates) {
  struct Token {
    Candidate candidate;
    int64_t weight;
    double deviation;  // | -log p - entropy |
  };
  const float best = candidates.max_logit();
  const int64_t total = weight_sum(candidates, best);
  const double log_total = log_weight_sum(total);
  const double expected = entropy(candidates);
  std::vector<Token> tokens;
  tokens.reserve(candidates.size());
  for (const Candidate& item : candidates.items()) {
    const float distance = distance_behind(best, item.logit);
    const double surprise = static_cast<double>(distance) + log_total;
    tokens.push_back({item, token_weight(distance), std::abs(surprise - expected)});
  }

  // A heap instead of a sort: few are taken as a rule.
  const auto is_after = [](const Token& a, const Token& b) {
    return a.deviation != b.deviation ? a.deviation > b.deviation : a.candidate.id > b.candidate.id;
  };
  std::make_heap(tokens.begin(), tokens.end(), is_after);
  const int64_t wanted = nucleus_weight(p, total);
  int64_t reached = 0;
  candidates.items().clear();
  while (!tokens.empty() && (candidates.items().empty() || reached < wanted)) {
    std::pop_heap(tokens.begin(), tokens.end(), is_after);
    reached += tokens.back().weight;
    candidates.items().push_back(tokens.back().candidate);
    tokens.pop_back();
  }
  candidates.forget_order();
}

}  // namespace trellis
