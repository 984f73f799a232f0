#include "engine/memory_plan.h"

#include "base/error.h"
#include "engine/model_runner.h"
#include "exl3/kv_quant.h"

#include <algorithm>
#include <vector>

namespace trellis {
namespace {

/// Types that a cache may shrink to, best first. Below 4 bits answers get worse (docs/cache.md).
constexpr KvType kSmallerTypes[] = {KvType::kQ8, KvType::kQ6, KvType::kQ5, KvType::kQ4};
/// A shorter context than this helps nobody, unless it was asked for.
constexpr int64_t kLeastContext = 1024;

std::string bytes_text(size_t bytes) {
  constexpr double kMiB = 1 << 20;
  const auto number = static_cast<double>(bytes);
  return number >= 1024 * kMiB ? fmt::format("{:.2f} GiB", number / (1024 * kMiB))
                               : fmt::format("{:.1f} MiB", number / kMiB);
}

/// `asked` in other types, with as many pages and as much of its context as fit into `room` bytes.
CachePlan shrink(const CachePlan& asked, KvTypes types, size_t room) {
  CachePlan plan = asked;
  plan.spec.types = types;
  const size_t pages = room / CacheStorage::bytes_per_page(plan.spec);
  plan.num_pages = static_cast<int>(std::min(pages, static_cast<size_t>(asked.num_pages)));
  plan.context_tokens = std::min(asked.context_tokens, plan.cache_tokens());
  plan.num_host_pages = plan_host_pages(plan.spec, asked.host_bytes());
  return plan;
}

/// The caches that could take the place of `asked`: of its own types, then of each smaller one.
/// Those that hold a context of use.
std::vector<CachePlan> alternatives(const CachePlan& asked, size_t room) {
  std::vector<CachePlan> plans;
  const auto add = [&](const CachePlan& plan) {
    if (plan.context_tokens >= std::min(kLeastContext, asked.context_tokens)) plans.push_back(plan);
  };
  add(shrink(asked, asked.spec.types, room));
  if (asked.spec.head_dim % exl3::kKvGroup != 0) return plans;
  for (const KvType type : kSmallerTypes) {
    const CachePlan plan = shrink(asked, same_kv_types(type), room);
    if (CacheStorage::bytes_per_page(plan.spec) < CacheStorage::bytes_per_page(asked.spec)) {
      add(plan);
    }
  }
  return plans;
}

/// The first that keeps the context, else the one that keeps most of it.
const CachePlan& choose(const std::vector<CachePlan>& plans, int64_t context_tokens) {
  for (const CachePlan& plan : plans) {
    if (plan.context_tokens == context_tokens) return plan;
  }
  return plans.back();
}

[[noreturn]] void refuse(
    const MemoryPlan& plan, const std::string& model, size_t available,
    const std::vector<CachePlan>& plans
) {
  const CachePlan& cache = plan.cache;
  std::string remedies;
  for (const CachePlan& fitting : plans) {
    remedies += fmt::format(
        "{}--context {} --cache-type {}", remedies.empty() ? "" : ", or ", fitting.context_tokens,
        kv_types_name(fitting.spec.types)
    );
  }
  throw UserError(
      "{}: needs {} of memory (weights {}; cache of {} tokens in {} {}; activations about {}) and "
      "{} are free; {}",
      model, bytes_text(plan.total()), bytes_text(plan.weight_bytes), cache.cache_tokens(),
      kv_types_name(cache.spec.types), bytes_text(cache.bytes()), bytes_text(plan.activation_bytes),
      bytes_text(available),
      remedies.empty() ? "no cache fits beside the weights: use a model of fewer bits or "
                         "parameters, or free some memory"
                       : fmt::format("these fit: {}; --fit chooses by itself", remedies)
  );
}

}  // namespace

size_t plan_activation_bytes(const ModelConfig& config, int64_t step_tokens, int64_t logit_rows) {
  // The residual stream, its norm, queries, keys, values and attention output, gate and up: fp32
  // each. The arena that holds them grows by doubling.
  constexpr int64_t kArenaFactor = 2;
  const int64_t query = config.num_attention_heads * config.head_dim;
  const int64_t kv = config.num_key_value_heads * config.head_dim;
  const int64_t numbers =
      2 * config.hidden_size + 2 * query + 2 * kv + 2 * config.intermediate_size;
  // Beside it, the hidden states of prompts, and a part of their logits at a time.
  const int64_t states = step_tokens * config.hidden_size;
  const int64_t logits = (logit_rows + ModelRunner::kMostStateLogits) * config.vocab_size;
  return sizeof(float) *
         static_cast<size_t>(kArenaFactor * step_tokens * numbers + states + logits);
}

void require_host_cache(const CachePlan& cache, size_t available_bytes) {
  if (available_bytes == 0 || cache.host_bytes() <= available_bytes) return;
  throw UserError(
      "the host cache needs {} of memory and {} are free; use a smaller --host-cache, or with "
      "--cache-dir a smaller --context",
      bytes_text(cache.host_bytes()), bytes_text(available_bytes)
  );
}

MemoryPlan plan_memory(
    const EngineOptions& options, const ModelConfig& config, const std::string& model,
    size_t weight_bytes, size_t available_bytes
) {
  MemoryPlan plan;
  plan.cache = plan_cache(options, config);
  plan.weight_bytes = weight_bytes;
  plan.activation_bytes =
      plan_activation_bytes(config, options.max_step_tokens, options.max_sequences);
  if (available_bytes == 0 || plan.total() <= available_bytes) return plan;

  const size_t fixed = plan.weight_bytes + plan.activation_bytes;
  const size_t room = available_bytes > fixed ? available_bytes - fixed : 0;
  const std::vector<CachePlan> plans = alternatives(plan.cache, room);
  if (!options.fit || plans.empty()) refuse(plan, model, available_bytes, plans);
  plan.cache = choose(plans, plan.cache.context_tokens);
  return plan;
}

}  // namespace trellis
