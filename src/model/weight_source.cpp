#include "model/weight_source.h"

#include "base/half.h"
#include "checkpoint/weights.h"

#include <cmath>
#include <span>

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

/// The index-th number of SplitMix64 (Steele et al. 2014): as fast as memory, and never the same
/// number twice, so that no cache and no compression of a device can shorten a benchmark.
uint64_t splitmix64(uint64_t index) {
  uint64_t z = (index + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

class RandomSource final : public WeightSource {
 public:
  explicit RandomSource(const RandomWeights& options)
      : options_(options), next_(options.seed << 40) {}

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
    constexpr uint64_t kFree = 0x83FF83FF83FF83FFu;       // sign and mantissa of four halves
    constexpr uint64_t kExponents = 0x3000300030003000u;  // of +-[0.125, 0.25)
    for (uint64_t& word : words(static_cast<size_t>(vocab * hidden) * 2)) {
      word = kExponents | (splitmix64(next_++) & kFree);
    }
    return storage_.view(DType::kFloat16, {vocab, hidden});
  }

 private:
  LinearWeight random_linear(int64_t in, int64_t out, int bits) {
    const int64_t tiles_in = (in + 127) / 128 * 8;
    const int64_t tiles_out = (out + 127) / 128 * 8;
    for (uint64_t& word : words(static_cast<size_t>(tiles_in * tiles_out * 32 * bits))) {
      word = splitmix64(next_++);
    }
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

  /// At least `bytes` of storage_. It stays for the next weight: fresh memory costs more than the
  /// numbers.
  std::span<uint64_t> words(size_t bytes) {
    const size_t count = (bytes + sizeof(uint64_t) - 1) / sizeof(uint64_t);
    if (storage_.bytes() < count * sizeof(uint64_t)) {
      storage_ = allocate_host(count * sizeof(uint64_t));
    }
    return {static_cast<uint64_t*>(storage_.data()), count};
  }

  RandomWeights options_;
  uint64_t next_;  // number of SplitMix64
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
