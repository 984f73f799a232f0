// Where a model's weights come from: a checkpoint, or random numbers for benchmarks.
#pragma once

#include "checkpoint/checkpoint.h"
#include "model/model_spec.h"

#include <memory>
#include <vector>

namespace trellis {

/// What is returned stays valid until the next call; the model packs or uploads it at once.
class WeightSource {
 public:
  virtual ~WeightSource() = default;
  virtual LinearWeight linear(const LinearSpec& spec) = 0;
  virtual LinearWeight head(int64_t hidden, int64_t vocab, bool tied) = 0;
  virtual std::vector<float> norm(const NormSpec& spec) = 0;
  virtual ConstTensor embedding(const std::string& name, int64_t vocab, int64_t hidden) = 0;
};

/// Random weights in the shape of a model; any bits are a valid trellis.
struct RandomWeights {
  int bits = 4;
  exl3::Codebook codebook = exl3::Codebook::kMul1;
  int head_bits = 6;
  uint64_t seed = 0;
};

/// Reads from a checkpoint, which must outlive it.
std::unique_ptr<WeightSource> make_checkpoint_source(const Checkpoint& checkpoint);
std::unique_ptr<WeightSource> make_random_source(const RandomWeights& options);

}  // namespace trellis
