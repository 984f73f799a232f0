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

  /// One step: stores the step's keys and values in the cache and computes what is wanted.
  /// logits: [step.logit_rows, vocab] fp32. states: [state_rows, hidden] fp32, what the last layer
  /// leaves in these rows, [states] i32, before the final norm. Inside it nothing allocates but the
  /// workspace.
  void forward(
      const DeviceStep& step, const CacheStorage& cache, Tensor logits, ConstTensor state_rows,
      Tensor states
  ) const;

  /// The logits of hidden states: [rows, hidden] to [rows, vocab] fp32. A row's are those that
  /// forward() computes.
  void logits_of(Tensor states, Tensor logits) const;
  /// Hidden states behind the final norm, [rows, hidden] fp32, in place.
  void normalize(Tensor states) const;

  const ModelConfig& config() const { return config_; }
  CacheSpec cache_spec(KvTypes types) const { return trellis::cache_spec(config_, types); }
  /// Bytes that one step streams: every linear layer once.
  size_t weight_bytes() const { return weight_bytes_; }

 private:
  /// The final norm and the head.
  void compute_logits(ResidualStream& stream, Tensor logits) const;

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
