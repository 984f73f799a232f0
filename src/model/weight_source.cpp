#include "model/weight_source.h"

#include "base/half.h"
#include "checkpoint/weights.h"

#include <cmath>
#include <random>

namespace trellis {
namespace {

class CheckpointSource final : public WeightSource {
 public:
  explicit CheckpointSource(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {}

  LinearWeight linear(const LinearSpec& spec) override {
    return load_linear(checkpoint_, spec.key, spec.in, spec.out, spec.bias);
  }
  LinearWeight head(int64_t hidden, int64_t vocab, bool tied) override {
    return load_head(checkpoint_, hidden, vocab, tied);
  }
  std::vector<float> norm(const NormSpec& spec) override {
    return load_vector(checkpoint_, spec.name, spec.size);
  }
  ConstTensor embedding(const std::string& name, int64_t vocab, int64_t hidden) override {
    return load_matrix(checkpoint_, name, vocab, hidden);
  }

 private:
  const Checkpoint& checkpoint_;
};

class RandomSource final : public WeightSource {
 public:
  explicit RandomSource(const RandomWeights& options) : options_(options), random_(options.seed) {}

  LinearWeight linear(const LinearSpec& spec) override {
    return random_linear(spec.in, spec.out, options_.bits);
  }
  LinearWeight head(int64_t hidden, int64_t vocab, bool) override {
    return random_linear(hidden, vocab, options_.head_bits);
  }
  std::vector<float> norm(const NormSpec& spec) override {
    return std::vector<float>(static_cast<size_t>(spec.size), 1.0f);
  }
  ConstTensor embedding(const std::string&, int64_t vocab, int64_t hidden) override {
    storage_ = allocate_host(static_cast<size_t>(vocab * hidden) * 2);
    auto* halves = static_cast<uint16_t*>(storage_.data());
    for (int64_t i = 0; i < vocab * hidden; ++i) {
      halves[i] = static_cast<uint16_t>(0x3000u | (random_() & 0x83FFu));  // +-[0.125, 0.25)
    }
    return storage_.view(DType::kFloat16, {vocab, hidden});
  }

 private:
  LinearWeight random_linear(int64_t in, int64_t out, int bits) {
    const int64_t tiles_in = (in + 127) / 128 * 8;
    const int64_t tiles_out = (out + 127) / 128 * 8;
    const size_t bytes = static_cast<size_t>(tiles_in * tiles_out * 32 * bits);
    storage_ = allocate_host(bytes);
    auto* words = static_cast<uint64_t*>(storage_.data());
    for (size_t i = 0; i < bytes / 8; ++i) words[i] = random_();
    Exl3Weight weight;
    weight.bits = bits;
    weight.codebook = options_.codebook;
    weight.trellis = storage_.view(DType::kInt16, {tiles_in, tiles_out, 16 * bits});
    // Outputs of the size of inputs, so that activations stay finite through any depth.
    const float scale = 1.0f / std::sqrt(static_cast<float>(in)) / exl3::kCodebookScale;
    weight.suh.assign(static_cast<size_t>(tiles_in * 16), float_to_half(1.0f));
    weight.svh.assign(static_cast<size_t>(tiles_out * 16), float_to_half(scale));
    weight.in_features = in;
    weight.out_features = out;
    return weight;
  }

  RandomWeights options_;
  std::mt19937_64 random_;
  Buffer storage_;
};

}  // namespace

std::unique_ptr<WeightSource> make_checkpoint_source(const Checkpoint& checkpoint) {
  return std::make_unique<CheckpointSource>(checkpoint);
}

std::unique_ptr<WeightSource> make_random_source(const RandomWeights& options) {
  return std::make_unique<RandomSource>(options);
}

}  // namespace trellis
