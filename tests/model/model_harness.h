// Loads a model directory on one backend and runs it without the engine: logits of chosen tokens,
// greedy continuations.
#pragma once

#include "backend/backend.h"
#include "cache/page_pool.h"
#include "checkpoint/checkpoint.h"
#include "engine/model_runner.h"
#include "model/model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace trellis::test {

class ModelHarness {
 public:
  /// What the backends below should be made with: fp32 throughout.
  static constexpr BackendOptions kExact = {2, ActivationPrecision::kFloat32};

  /// backend: "reference" or "cpu".
  ModelHarness(
      const std::filesystem::path& directory, const std::string& backend,
      KvTypes cache_types = same_kv_types(KvType::kFloat32)
  )
      : ModelHarness(directory, create_backend(backend, kExact), cache_types) {}

  /// With a cache of 4 pages.
  ModelHarness(
      const std::filesystem::path& directory, std::unique_ptr<Backend> backend,
      KvTypes cache_types = same_kv_types(KvType::kFloat32)
  )
      : checkpoint_(directory),
        config_(read_model_config(directory)),
        backend_(std::move(backend)),
        model_(load_model(checkpoint_, config_, *backend_)),
        cache_(*backend_, model_->cache_spec(cache_types), kPages),
        pool_(kPages),
        runner_(*model_, *backend_, cache_) {}

  const ModelConfig& config() const { return config_; }

  /// Logits of the last num_logits tokens, [num_logits, vocab], computed in chunks of chunk_tokens.
  std::vector<float> logits(
      const std::vector<int32_t>& tokens, int num_logits, size_t chunk_tokens = 512
  ) {
    SequenceCache cache(pool_);
    EXPECT_TRUE(cache.reserve(static_cast<int64_t>(tokens.size())));
    std::vector<float> result;
    const size_t first_wanted = tokens.size() - static_cast<size_t>(num_logits);
    for (size_t begin = 0; begin < tokens.size(); begin += chunk_tokens) {
      const size_t end = std::min(tokens.size(), begin + chunk_tokens);
      const size_t wanted = end > first_wanted ? end - std::max(begin, first_wanted) : 0;
      Step step;
      step.entries.push_back(
          {&cache, static_cast<int64_t>(begin), std::span(tokens).subspan(begin, end - begin),
           static_cast<int>(wanted)}
      );
      const std::span<const float> part = runner_.run(step);
      result.insert(result.end(), part.begin(), part.end());
    }
    return result;
  }

  struct Continuation {
    std::vector<int32_t> ids;
    std::vector<float> margins;  // logit of the best minus logit of the second best, per token
  };
  /// The most probable continuation, at most max_tokens, ending with the first of stop_ids.
  Continuation greedy(
      const std::vector<int32_t>& prompt, size_t max_tokens,
      const std::vector<int32_t>& stop_ids = {}
  ) {
    SequenceCache cache(pool_);
    EXPECT_TRUE(cache.reserve(static_cast<int64_t>(prompt.size() + max_tokens)));
    Continuation result;
    std::vector<int32_t> pending = prompt;
    int64_t position = 0;
    while (result.ids.size() < max_tokens) {
      Step step;
      step.entries.push_back({&cache, position, pending, 1});
      const std::span<const float> row = runner_.run(step);
      position += static_cast<int64_t>(pending.size());
      const auto best = std::max_element(row.begin(), row.end());
      float second = -INFINITY;
      for (auto it = row.begin(); it != row.end(); ++it) {
        if (it != best) second = std::max(second, *it);
      }
      const auto id = static_cast<int32_t>(best - row.begin());
      result.ids.push_back(id);
      result.margins.push_back(*best - second);
      if (std::find(stop_ids.begin(), stop_ids.end(), id) != stop_ids.end()) break;
      pending = {id};
    }
    return result;
  }

 private:
  static constexpr int kPages = 4;

  Checkpoint checkpoint_;
  ModelConfig config_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Model> model_;
  CacheStorage cache_;
  PagePool pool_;
  ModelRunner runner_;
};

}  // namespace trellis::test
