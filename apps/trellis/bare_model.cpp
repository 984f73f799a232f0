#include "apps/trellis/bare_model.h"

#include "apps/trellis/output.h"
#include "apps/trellis/progress_bar.h"
#include "apps/trellis/shapes.h"
#include "apps/trellis/weight_sizes.h"
#include "checkpoint/checkpoint.h"
#include "engine/memory_plan.h"

namespace trellis {
namespace {

int num_pages(int num_sequences, int64_t sequence_tokens) {
  return num_sequences * static_cast<int>((sequence_tokens + kPageTokens - 1) / kPageTokens);
}

/// Of a cache for these sequences, and of a step of one token of each.
size_t running_bytes(
    const ModelConfig& config, KvTypes types, int num_sequences, int64_t sequence_tokens
) {
  const auto pages = static_cast<size_t>(num_pages(num_sequences, sequence_tokens));
  return pages * CacheStorage::bytes_per_page(cache_spec(config, types)) +
         plan_activation_bytes(config, num_sequences, num_sequences);
}

}  // namespace

BareModel::BareModel(
    std::shared_ptr<const Model> model, Backend& backend, KvTypes cache_types, int num_sequences,
    int64_t sequence_tokens
)
    : model_(std::move(model)),
      cache_(backend, model_->cache_spec(cache_types), num_pages(num_sequences, sequence_tokens)),
      pool_(num_pages(num_sequences, sequence_tokens)),
      runner_(*model_, backend, cache_) {
  sequences_.reserve(static_cast<size_t>(num_sequences));
  for (int i = 0; i < num_sequences; ++i) {
    const bool reserved = sequences_.emplace_back(pool_).reserve(sequence_tokens);
    TRELLIS_CHECK(reserved, "the pool was made for these sequences");
  }
}

std::span<const float> BareModel::run(
    int sequence, int64_t first_position, std::span<const int32_t> tokens, int num_logits
) {
  const SequenceCache* cache = &sequences_[static_cast<size_t>(sequence)];
  step_.entries.assign(1, {cache, first_position, tokens, num_logits});
  return runner_.run(step_);
}

void BareModel::run_all(int64_t position, std::span<const int32_t> tokens) {
  TRELLIS_CHECK_EQ(tokens.size(), sequences_.size(), "one token for each sequence");
  step_.entries.clear();
  for (size_t i = 0; i < tokens.size(); ++i) {
    step_.entries.push_back({&sequences_[i], position, tokens.subspan(i, 1), 1});
  }
  runner_.compute(step_);
  if (runner_.chooses_tokens()) {
    TokenChoice greedy;
    greedy.vocab = static_cast<int32_t>(vocab_size());
    runner_.choose(std::vector<TokenChoice>(tokens.size(), greedy), {});
    runner_.chosen();
  } else {
    runner_.logits(0, static_cast<int64_t>(tokens.size()));
  }
}

std::unique_ptr<BareModel> load_bare_model(
    const std::string& directory, Backend& backend, KvTypes cache_types, int num_sequences,
    int64_t sequence_tokens
) {
  const ModelConfig config = read_model_config(directory);
  const Checkpoint checkpoint(directory);
  require_memory(
      backend, directory,
      checkpoint.bytes() + running_bytes(config, cache_types, num_sequences, sequence_tokens)
  );
  ProgressBar bar("Loading", "B");
  auto model = load_model(checkpoint, config, backend, [&bar](size_t done, size_t total) {
    bar.update(static_cast<double>(done), static_cast<double>(total));
  });
  return std::make_unique<BareModel>(
      std::move(model), backend, cache_types, num_sequences, sequence_tokens
  );
}

std::unique_ptr<BareModel> make_random_bare_model(
    const std::string& shape, const RandomWeights& weights, Backend& backend, KvTypes cache_types,
    int num_sequences, int64_t sequence_tokens
) {
  const ModelConfig config = shape_config(shape);
  const WeightSizes sizes = random_weight_sizes(config, weights.bits, weights.head_bits);
  require_memory(
      backend, shape,
      sizes.total() + running_bytes(config, cache_types, num_sequences, sequence_tokens)
  );
  print_note(fmt::format("Making random weights in the shape of {}\n", shape));
  return std::make_unique<BareModel>(
      make_random_model(config, weights, backend), backend, cache_types, num_sequences,
      sequence_tokens
  );
}

void require_memory(const Backend& backend, const std::string& what, size_t bytes) {
  const size_t available = backend.available_memory();
  if (available == 0 || bytes <= available) return;  // 0: unknown
  throw UserError(
      "{}: needs about {} of memory and {} are free; use a smaller model, context or batch", what,
      format_quantity(static_cast<double>(bytes), "B"),
      format_quantity(static_cast<double>(available), "B")
  );
}

}  // namespace trellis
