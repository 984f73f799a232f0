#include "sampling/logprobs.h"

#include "backend/token_choice.h"
#include "sampling/candidates.h"
#include "sampling/weight_sum.h"

namespace trellis {

TokenLogprob raw_logprob(std::span<const float> logits, int32_t token, int top) {
  Candidates candidates;
  candidates.assign(logits);
  const float best = candidates.max_logit();
  const double log_total = best + log_weight_sum(weight_sum(candidates, best));

  TokenLogprob result;
  result.token_id = token;
  result.logprob =
      static_cast<float>(candidates.items()[static_cast<size_t>(token)].logit - log_total);
  const size_t count = std::min(static_cast<size_t>(std::max(top, 0)), candidates.size());
  candidates.sort_front(count);
  for (size_t i = 0; i < count; ++i) {
    const Candidate& item = candidates.items()[i];
    result.top.emplace_back(item.id, static_cast<float>(item.logit - log_total));
  }
  return result;
}

}  // namespace trellis
