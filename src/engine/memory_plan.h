// What a model needs in memory, from its sizes alone, before anything is loaded; and the cache that
// fits beside it.
#pragma once

#include "engine/cache_plan.h"

namespace trellis {

struct MemoryPlan {
  CachePlan cache;
  size_t weight_bytes = 0;
  size_t activation_bytes = 0;  // about

  size_t total() const { return weight_bytes + cache.bytes() + activation_bytes; }
};

/// Bytes, about, of what a step of step_tokens tokens keeps between its ops, and of the logits of
/// logit_rows of them.
size_t plan_activation_bytes(const ModelConfig& config, int64_t step_tokens, int64_t logit_rows);

/// Throws UserError where the second tier of this cache needs more than available_bytes (0:
/// unknown) of the host's memory.
void require_host_cache(const CachePlan& cache, size_t available_bytes);

/// The plan that the options ask for. Where it needs more than available_bytes (0: unknown, taken
/// to be enough), options.fit makes the cache smaller: first its types, to q8, q6, q5 and q4, so
/// that the context stays whole; then the context, to as many pages as there is room for. Throws
/// UserError with the sizes, and with what would fit, where that is not allowed or not enough;
/// `model` is what it calls the model. Throws as plan_cache() does.
MemoryPlan plan_memory(
    const EngineOptions& options, const ModelConfig& config, const std::string& model,
    size_t weight_bytes, size_t available_bytes
);

}  // namespace trellis
