#include "engine/cache_plan.h"

#include "model/model.h"

#include <algorithm>
#include <limits>

namespace trellis {
namespace {

constexpr int64_t kDefaultContextLimit = 32768;
/// Slots of the cache are numbered by int32_t.
constexpr int64_t kMaxCacheTokens = std::numeric_limits<int32_t>::max() - kPageTokens;

}  // namespace

CachePlan plan_cache(const EngineOptions& options, const ModelConfig& config) {
  CachePlan plan;
  plan.spec = cache_spec(config, require_kv_types(options.cache_type));
  CacheStorage::bytes_per_token(plan.spec);  // refuses heads that the types cannot hold
  plan.context_tokens = std::min(
      options.context_tokens > 0 ? options.context_tokens : kDefaultContextLimit,
      config.max_position_embeddings
  );
  const int64_t cache_tokens = std::max(options.cache_tokens, plan.context_tokens);
  if (cache_tokens > kMaxCacheTokens) {
    throw UserError(
        "a cache of {} tokens is more than the {} that can be addressed; use a smaller context",
        cache_tokens, kMaxCacheTokens
    );
  }
  plan.num_pages = static_cast<int>((cache_tokens + kPageTokens - 1) / kPageTokens);
  return plan;
}

}  // namespace trellis
