#include "sampling/sampler.h"

#include "base/philox.h"
#include "sampling/largest.h"
#include "sampling/pipeline.h"
#include "sampling/transforms/ban_tokens.h"
#include "sampling/transforms/mirostat.h"
#include "sampling/transforms/penalties.h"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <random>
#include <unordered_set>

namespace trellis {
namespace {

uint64_t random_seed() {
  std::random_device device;
  return (static_cast<uint64_t>(device()) << 32) | device();
}

/// The first of the largest logits, or nothing where none is above -infinity.
std::optional<int32_t> most_probable(std::span<const float> logits) {
  const float best = largest(logits.size(), [&](size_t i) { return logits[i]; });
  if (best == -INFINITY) return std::nullopt;
  return static_cast<int32_t>(std::find(logits.begin(), logits.end(), best) - logits.begin());
}

/// [ones]: a bound of the noise that bits beginning with exactly that many ones can give.
std::array<float, 33> make_noise_bounds() {
  constexpr float kErrors = 1e-3f;  // far more than the noise is from being monotonous
  std::array<float, 33> bounds{};
  for (uint32_t ones = 0; ones < 32; ++ones) {
    bounds[ones] = gumbel_noise(~(0x80000000u >> ones)) + kErrors;
  }
  bounds[32] = gumbel_noise(~0u) + kErrors;
  return bounds;
}

}  // namespace

Sampler::Sampler(const SamplingParams& params, int64_t vocab_size, std::span<const int32_t> prompt)
    : params_(params),
      vocab_size_(vocab_size),
      seed_(params.seed ? *params.seed : random_seed()),
      state_{TokenHistory({prompt.begin(), prompt.end()}), first_mirostat_mu(params)} {}

int32_t Sampler::sample(const SampleRequest& request) {
  const auto vocab = std::min(request.logits.size(), static_cast<size_t>(vocab_size_));
  const bool is_greedy = params_.temperature == 0.0f;
  const bool any_may_come = request.banned.empty() && request.allowed == nullptr;
  if (is_greedy && any_may_come && !has_preferences(params_)) {
    if (const auto token = most_probable(request.logits.first(vocab))) return *token;
  }
  candidates_.assign(request.logits.first(vocab));
  if (request.allowed != nullptr) keep_allowed(*request.allowed, candidates_);
  ban_tokens(request.banned, candidates_);
  if (is_greedy) {
    apply_preferences(params_, state_, candidates_);
    const auto& items = candidates_.items();
    const auto best = std::min_element(items.begin(), items.end(), more_probable);
    return best->logit > -INFINITY ? best->id : lowest_possible(request);
  }
  apply_transforms(params_, state_, candidates_);
  const std::optional<int32_t> token = draw();
  return token ? *token : lowest_possible(request);
}

std::optional<int32_t> Sampler::draw() const {
  const std::array<uint32_t, 2> key = {
      static_cast<uint32_t>(seed_), static_cast<uint32_t>(seed_ >> 32)
  };
  static const std::array<float, 33> bounds = make_noise_bounds();
  const float best_logit = candidates_.max_logit();
  std::optional<int32_t> best_id;
  float best = -INFINITY;
  int32_t drawn_group = -1;
  std::array<uint32_t, 4> bits = {};
  for (const Candidate& item : candidates_.items()) {
    if (item.logit == -INFINITY) continue;
    if (item.id / 4 != drawn_group) {
      drawn_group = item.id / 4;
      bits = philox4x32({static_cast<uint32_t>(drawn_group), position_, 0, 0}, key);
    }
    const uint32_t random = bits[static_cast<size_t>(item.id % 4)];
    const float behind = distance_behind(best_logit, item.logit);
    // Two logarithms only where the noise may be enough: it rarely may.
    if (bounds[static_cast<size_t>(std::countl_one(random))] - behind < best) continue;
    const float value = gumbel_noise(random) - behind;
    if (!best_id || value > best || (value == best && item.id < *best_id)) {
      best = value;
      best_id = item.id;
    }
  }
  return best_id;
}

bool Sampler::is_banned(std::span<const int32_t> banned, int32_t id) const {
  const auto contains = [id](std::span<const int32_t> ids) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  };
  return contains(banned) || contains(params_.banned_tokens);
}

int32_t Sampler::lowest_allowed(std::span<const int32_t> banned) const {
  for (int32_t id = 0; id < vocab_size_; ++id) {
    if (!is_banned(banned, id)) return id;
  }
  return 0;
}

int32_t Sampler::lowest_possible(const SampleRequest& request) const {
  if (request.allowed == nullptr) return lowest_allowed(request.banned);
  for (int32_t id = 0; id < vocab_size_; ++id) {
    if (request.allowed->allows(id) && !is_banned(request.banned, id)) return id;
  }
  return -1;
}

bool Sampler::suits_device() const {
  return device_knows_transforms(params_);
}

TokenChoice Sampler::device_choice(
    int32_t row, std::span<const int32_t> banned_now, std::vector<TokenEdit>& edits
) const {
  std::vector<int32_t> banned(banned_now.begin(), banned_now.end());
  banned.insert(banned.end(), params_.banned_tokens.begin(), params_.banned_tokens.end());
  const auto& biases = params_.logit_bias;
  const auto is_banned = [&](int32_t id) {
    return std::find(banned.begin(), banned.end(), id) != banned.end();
  };
  const auto add = [&](TokenEdit edit) {
    if (edit.id < 0 || edit.id >= vocab_size_) return;
    edit.row = row;
    if (is_banned(edit.id)) {
      edit.bias = -INFINITY;
    } else if (const auto bias = biases.find(edit.id); bias != biases.end()) {
      edit.bias = bias->second;
    }
    edits.push_back(edit);
  };
  std::unordered_set<int32_t> penalized;
  if (penalizes(params_)) {
    for (const TokenEdit& edit : penalty_edits(params_, state_.history)) {
      penalized.insert(edit.id);
      add(edit);
    }
  }
  const auto is_new = [&](int32_t id) { return !penalized.contains(id); };
  for (const auto& [id, bias] : biases) {
    if (is_new(id)) add({.id = id});
  }
  for (auto it = banned.begin(); it != banned.end(); ++it) {
    const bool repeats = std::find(banned.begin(), it, *it) != it;
    if (!repeats && !biases.contains(*it) && is_new(*it)) add({.id = *it});
  }

  TokenChoice choice;
  choice.vocab = static_cast<int32_t>(vocab_size_);
  choice.temperature = params_.temperature;
  choice.top_k = params_.top_k;
  choice.top_p = params_.top_p;
  choice.log_min_p = std::log(params_.min_p);  // of 0: minus infinity
  choice.seed_low = static_cast<uint32_t>(seed_);
  choice.seed_high = static_cast<uint32_t>(seed_ >> 32);
  choice.position = position_;
  return choice;
}

void Sampler::accept(int32_t token) {
  earlier_mus_.push_back(state_.mirostat_mu);
  if (params_.mirostat_tau > 0.0f && params_.temperature > 0.0f) {
    state_.mirostat_mu = next_mirostat_mu(params_, state_.mirostat_mu, candidates_, token);
  }
  state_.history.append(token);
  ++position_;
}

void Sampler::take_back(size_t count) {
  if (count == 0) return;
  state_.mirostat_mu = earlier_mus_[earlier_mus_.size() - count];
  earlier_mus_.resize(earlier_mus_.size() - count);
  state_.history.drop_last(count);
  position_ -= static_cast<uint32_t>(count);
}

void Sampler::expect(int32_t token) {
  candidates_.items() = {{token, 0.0f}};
  candidates_.forget_order();
}

void Sampler::accept_forced(int32_t token) {
  expect(token);
  accept(token);
}

}  // namespace trellis
