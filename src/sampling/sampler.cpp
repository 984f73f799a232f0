#include "sampling/sampler.h"

#include "base/philox.h"
#include "sampling/pipeline.h"

#include <random>

namespace trellis {
namespace {

uint64_t random_seed() {
  std::random_device device;
  return (static_cast<uint64_t>(device()) << 32) | device();
}

}  // namespace

Sampler::Sampler(const SamplingParams& params, int64_t vocab_size, std::span<const int32_t> prompt)
    : params_(params), vocab_size_(vocab_size), seed_(params.seed ? *params.seed : random_seed()) {
  for (const int32_t token : prompt) ++counts_[token];
}

int32_t Sampler::sample(const SampleRequest& request) {
  const auto vocab = std::min(request.logits.size(), static_cast<size_t>(vocab_size_));
  candidates_.assign(request.logits.first(vocab));
  for (const int32_t id : request.banned) {
    if (id >= 0 && static_cast<size_t>(id) < vocab) {
      candidates_.items()[static_cast<size_t>(id)].logit = -INFINITY;
    }
  }
  if (candidates_.max_logit() == -INFINITY) {
    for (int32_t id = 0; static_cast<size_t>(id) < vocab; ++id) {
      if (std::find(request.banned.begin(), request.banned.end(), id) == request.banned.end()) {
        return id;
      }
    }
    return 0;
  }
  if (params_.temperature == 0.0f) {
    apply_preferences(params_, counts_, candidates_);
    const auto& items = candidates_.items();
    return std::min_element(items.begin(), items.end(), more_probable)->id;
  }
  apply_transforms(params_, counts_, candidates_);
  return draw();
}

int32_t Sampler::draw() const {
  const std::array<uint32_t, 2> key = {
      static_cast<uint32_t>(seed_), static_cast<uint32_t>(seed_ >> 32)
  };
  int32_t best_id = candidates_.items().front().id;
  double best = -INFINITY;
  int32_t drawn_group = -1;
  std::array<uint32_t, 4> bits = {};
  for (const Candidate& item : candidates_.items()) {
    if (item.logit == -INFINITY) continue;
    if (item.id / 4 != drawn_group) {
      drawn_group = item.id / 4;
      bits = philox4x32({static_cast<uint32_t>(drawn_group), position_, 0, 0}, key);
    }
    const double noise = -std::log(-std::log(uniform_open(bits[static_cast<size_t>(item.id % 4)])));
    const double value = item.logit + noise;
    if (value > best || (value == best && item.id < best_id)) {
      best = value;
      best_id = item.id;
    }
  }
  return best_id;
}

void Sampler::accept(int32_t token) {
  ++counts_[token];
  ++position_;
}

}  // namespace trellis
