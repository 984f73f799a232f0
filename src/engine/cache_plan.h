// How long a sequence the engine serves and how many pages it keeps: arithmetic, before anything is
// loaded.
#pragma once

#include "cache/cache_storage.h"
#include "checkpoint/model_config.h"
#include "trellis/engine.h"

namespace trellis {

struct CachePlan {
  CacheSpec spec;
  int64_t context_tokens = 0;  // of one sequence; num_pages hold at least that many
  int num_pages = 0;
  int num_host_pages = 0;  // behind them, in the host's memory

  int64_t cache_tokens() const { return int64_t{num_pages} * kPageTokens; }
  size_t bytes() const {
    return CacheStorage::bytes_per_page(spec) * static_cast<size_t>(num_pages);
  }
  size_t host_bytes() const {
    return CacheStorage::bytes_per_page(spec) * static_cast<size_t>(num_host_pages);
  }
};

/// How many pages so many bytes of the host's memory hold.
int plan_host_pages(const CacheSpec& spec, size_t bytes);

/// Throws UserError when the options ask for more positions than can be numbered, and as
/// CacheStorage::bytes_per_token() does.
CachePlan plan_cache(const EngineOptions& options, const ModelConfig& config);

}  // namespace trellis
