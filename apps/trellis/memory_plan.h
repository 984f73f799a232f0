// What a model needs in memory, from its sizes alone, before anything is loaded.
#pragma once

#include "backend/kv_type.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/model_config.h"

#include <cstddef>
#include <cstdint>

namespace trellis {

struct MemoryPlan {
  size_t linear_bytes = 0;       // linear layers and the head: what each step streams
  size_t embedding_bytes = 0;    // token embedding and norms
  size_t cache_bytes = 0;        // keys and values of the whole context
  size_t cache_token_bytes = 0;  // of one token
  size_t activation_bytes = 0;   // of one step of kPlannedStepTokens tokens, about

  size_t total() const { return linear_bytes + embedding_bytes + cache_bytes + activation_bytes; }
};

/// Prompt tokens of one step in the plan: the engine's default budget.
inline constexpr int64_t kPlannedStepTokens = 512;

/// Bytes of a cache of `pages` pages. Throws UserError if the model's heads cannot be stored in
/// these types; so do the others.
size_t plan_cache_bytes(const ModelConfig& config, KvTypes types, int pages);

/// Plan for a checkpoint. Throws UserError if a tensor of the model is missing.
MemoryPlan plan_memory(
    const Checkpoint& checkpoint, const ModelConfig& config, KvTypes cache_types,
    int64_t context_tokens
);

/// Plan for random weights in the shape of a model, `bits` per weight in the layers.
MemoryPlan plan_random_memory(
    const ModelConfig& config, int bits, int head_bits, KvTypes cache_types, int64_t context_tokens
);

}  // namespace trellis
