// A model in memory with its cache, and what an engine runs it by.
#pragma once

#include "backend/backend.h"
#include "cache/cache_storage.h"
#include "cache/page_pool.h"
#include "cache/prefix_cache.h"
#include "checkpoint/model_config.h"
#include "engine/cache_tiers.h"
#include "engine/model_runner.h"
#include "trellis/engine.h"

#include <memory>

namespace trellis {

/// Each part may use those above it.
struct LoadedModel {
  ModelInfo info;           // but for load_s
  int max_step_tokens = 0;  // the token budget of a step
  std::unique_ptr<Backend> backend;
  std::unique_ptr<Model> model;
  std::unique_ptr<CacheStorage> cache;
  std::unique_ptr<PagePool> pages;
  std::unique_ptr<PrefixCache> prefixes;
  std::unique_ptr<CacheTiers> tiers;
  std::unique_ptr<ModelRunner> runner;
};

/// UserError names the option that makes no sense.
void check_options(const EngineOptions& options);

/// Plans the memory, and loads only what fits. UserError says what does not, or what is wrong with
/// the model's files.
LoadedModel load_model_and_cache(
    const EngineOptions& options, const ModelConfig& config, const Engine::Progress& progress
);

}  // namespace trellis
