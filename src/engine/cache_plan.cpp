#include "engine/cache_plan.h"

#include "cache/page_directory.h"
#include "model/model.h"

#include <algorithm>
#include <limits>

namespace trellis {
namespace {

constexpr int64_t kDefaultContextLimit = 32768;
/// Slots of the cache are numbered by int32_t.
constexpr int64_t kMaxCacheTokens = std::numeric_limits<int32_t>::max() - kPageTokens;

int pages_for(int64_t tokens) {
  return static_cast<int>((tokens + kPageTokens - 1) / kPageTokens);
}

}  // namespace

int plan_host_pages(const CacheSpec& spec, size_t bytes) {
  constexpr size_t kMostPages = std::numeric_limits<int>::max();
  return static_cast<int>(std::min(bytes / CacheStorage::bytes_per_page(spec), kMostPages));
}

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
  plan.num_pages = pages_for(cache_tokens);
  plan.num_host_pages = plan_host_pages(plan.spec, static_cast<size_t>(options.host_cache_bytes));
  if (!options.cache_directory.empty()) {
    // A sequence's pages come from the disk at once, beside those that are on their way there.
    plan.num_host_pages =
        std::max(plan.num_host_pages, pages_for(plan.context_tokens) + PageDirectory::kMostWrites);
  }
  return plan;
}

}  // namespace trellis
