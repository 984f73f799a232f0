// A loaded model: embedding, blocks, final norm and head on one backend. One of the three owners of
// device memory; it holds the weights, the cache and the activations belong to others.
#pragma once

#include "model/weight_source.h"
#include "nn/block.h"

#include <functional>
#include <memory>
#include <vector>

namespace trellis {

/// What a cache for the model looks like.
CacheSpec cache_spec(const ModelConfig& config, KvTypes types);

class Model {
 public:
  /// Called as weights arrive: bytes packed so far, bytes in all (0 if unknown).
  using Progress = std::function<void(size_t done, size_t total)>;

  /// Packs every weight of spec from source into backend, which must outlive the model. Throws
  /// UserError.
  Model(
      const ModelConfig& config, const ModelSpec& spec, WeightSource& source, Backend& backend,
      const Progress& progress, size_t total_bytes
  );

  /// One step: stores the step's keys and values in the cache and computes the wanted logits.
  /// logits: [step.logit_rows, vocab] fp32. Inside it nothing allocates but the workspace.
  void forward(const DeviceStep& step, const CacheStorage& cache, Tensor logits) const;

  const ModelConfig& config() const { return config_; }
  CacheSpec cache_spec(KvTypes types) const { return trellis::cache_spec(config_, types); }
  /// Bytes that one step streams: every linear layer once.
  size_t weight_bytes() const { return weight_bytes_; }

 private:
  ModelConfig config_;
  Backend& backend_;
  size_t weight_bytes_ = 0;
  Buffer rope_storage_;
  Buffer embedding_storage_;
  ConstTensor embedding_;  // [vocab, hidden]
  std::vector<Block> blocks_;
  Norm final_norm_;
  std::unique_ptr<Linear> head_;
};

std::unique_ptr<Model> load_model(
    const Checkpoint& checkpoint, const ModelConfig& config, Backend& backend,
    const Model::Progress& progress = {}
);

std::unique_ptr<Model> make_random_model(
    const ModelConfig& config, const RandomWeights& weights, Backend& backend
);

}  // namespace trellis
