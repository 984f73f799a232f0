// The sections that time steps of an 8B model, or of another shape, with random weights.
#include "apps/trellis/gpu_check/sections.h"
#include "apps/trellis/host_time.h"
#include "apps/trellis/model_arguments.h"
#include "apps/trellis/model_speed.h"
#include "apps/trellis/shapes.h"

#include <memory>

namespace trellis {
namespace {

constexpr int kHeadBits = 6;
constexpr int64_t kPromptChunk = 2048;
constexpr int64_t kCheckedRows = 8;  // of a step that checks guessed tokens

struct WeightKind {
  int bits;
  const char* codebook;

  bool operator==(const WeightKind&) const = default;
};

constexpr WeightKind kUsual = {4, "mul1"};

/// The device with one random model at a time, which stays while its weights are asked for again.
class SpeedModels {
 public:
  explicit SpeedModels(const GpuCheckOptions& options, GpuReport& report)
      : backend_(create_backend(options.backend, {})), config_(shape_config(options.shape)) {
    if (report.read_bandwidth() == 0) report.set_read_bandwidth(backend_->measure_bandwidth());
    bandwidth_ = report.read_bandwidth();
  }

  /// The weights in front of an empty cache for so many sequences.
  std::unique_ptr<BareModel> make(
      const WeightKind& kind, KvTypes cache_types, int num_sequences, int64_t sequence_tokens
  ) {
    have_weights(kind);
    const size_t page_bytes = CacheStorage::bytes_per_page(model_->cache_spec(cache_types));
    const auto pages = static_cast<size_t>((sequence_tokens + kPageTokens - 1) / kPageTokens);
    require_memory(*backend_, "the cache", page_bytes * pages * static_cast<size_t>(num_sequences));
    return std::make_unique<BareModel>(
        model_, *backend_, cache_types, num_sequences, sequence_tokens
    );
  }

  /// As host_step_s() of these weights.
  double host_step_s(const WeightKind& kind, KvTypes cache_types, int num_sequences) {
    have_weights(kind);
    return trellis::host_step_s(*model_, *backend_, cache_types, num_sequences);
  }

  /// Bytes that a step must read, weights and cache, over what the bandwidth allows in its time.
  double bandwidth_share(
      int num_sequences, int64_t context, KvTypes cache_types, double step_seconds
  ) const {
    const size_t token_bytes = CacheStorage::bytes_per_token(model_->cache_spec(cache_types));
    const double bytes =
        static_cast<double>(model_->weight_bytes()) +
        static_cast<double>(token_bytes) * static_cast<double>(num_sequences * context);
    return bytes / step_seconds / 1e9 / bandwidth_;
  }

 private:
  void have_weights(const WeightKind& kind) {
    if (model_ && kind_ == kind) return;
    model_.reset();
    const RandomWeights weights{kind.bits, parse_codebook(kind.codebook), kHeadBits, 0};
    model_ = make_random_model(config_, weights, *backend_);
    kind_ = kind;
  }

  std::unique_ptr<Backend> backend_;
  ModelConfig config_;
  double bandwidth_ = 0;
  std::shared_ptr<const Model> model_;
  WeightKind kind_ = {};
};

void decode(
    SpeedModels& models, const WeightKind& kind, KvTypes cache_types, int num_sequences,
    const SpeedPlan& plan, const std::string& name, GpuReport& report
) {
  const auto model = models.make(kind, cache_types, num_sequences, plan.sequence_tokens());
  ProgressBar bar("Measuring", "steps");
  time_prompts(*model, plan, bar);
  const Timing timing = time_decoding(*model, plan, bar);
  bar.clear();
  const double step_seconds = timing.seconds / static_cast<double>(plan.generate);
  report.figure(
      name, timing.tokens_per_s(), "tokens/s",
      models.bandwidth_share(
          num_sequences, plan.context + plan.generate / 2, cache_types, step_seconds
      )
  );
}

/// Runs fn; where it throws, the figure of that name is missing and the next one is measured.
void attempt(GpuReport& report, const std::string& name, const std::function<void()>& fn) {
  try {
    fn();
  } catch (const std::exception& error) {
    report.check(name, false, error.what());
  }
}

}  // namespace

void measure_decoding(const GpuCheckOptions& options, GpuReport& report) {
  SpeedModels models(options, report);
  const KvTypes types = same_kv_types(KvType::kFloat16);
  constexpr WeightKind kKinds[] = {kUsual,      {2, "mul1"},  {6, "mul1"},
                                   {8, "mul1"}, {4, "3inst"}, {4, "mcg"}};
  for (const WeightKind& kind : kKinds) {
    for (const int64_t context : {int64_t{0}, int64_t{1024}}) {
      const std::string name =
          fmt::format("decode K={} {}, batch 1, context {}", kind.bits, kind.codebook, context);
      attempt(report, name, [&] {
        const SpeedPlan plan = {
            std::min<int64_t>(context, kPromptChunk), context, 128, kPromptChunk
        };
        decode(models, kind, types, 1, plan, name, report);
      });
    }
    const std::string name =
        fmt::format("step of {} rows over 1, K={} {}", kCheckedRows, kind.bits, kind.codebook);
    attempt(report, name, [&] {
      constexpr int kRepetitions = 20;
      const auto model = models.make(kind, types, 1, 2 * kPageTokens);
      const double one = fastest_step_s(*model, kPageTokens, 1, kRepetitions);
      const double several = fastest_step_s(*model, kPageTokens, kCheckedRows, kRepetitions);
      report.figure(name, several / one, "times the time");
    });
  }
}

void measure_batches(const GpuCheckOptions& options, GpuReport& report) {
  SpeedModels models(options, report);
  for (const int num_sequences : {8, 32, 64, 128}) {
    const std::string name =
        fmt::format("decode K=4 mul1, batch {}, 128 tokens of prompt", num_sequences);
    attempt(report, name, [&] {
      const SpeedPlan plan = {128, 128, 64, kPromptChunk};
      decode(models, kUsual, same_kv_types(KvType::kFloat16), num_sequences, plan, name, report);
    });
  }
  constexpr int kSequences = 64;
  const std::string name = fmt::format("host time per step, batch {}", kSequences);
  attempt(report, name, [&] {
    const double seconds = models.host_step_s(kUsual, same_kv_types(KvType::kFloat16), kSequences);
    report.figure(name, 1e6 * seconds, "us");
  });
}

void measure_prompts(const GpuCheckOptions& options, GpuReport& report) {
  SpeedModels models(options, report);
  for (const int64_t tokens : {1024, 2048, 8192}) {
    const std::string name = fmt::format("prompt K=4 mul1, {} tokens", tokens);
    attempt(report, name, [&] {
      const SpeedPlan plan = {tokens, tokens, 1, kPromptChunk};
      const auto model =
          models.make(kUsual, same_kv_types(KvType::kFloat16), 1, plan.sequence_tokens());
      ProgressBar bar("Measuring", "prompts");
      const Timing timing = time_prompts(*model, plan, bar);
      bar.clear();
      report.figure(name, timing.tokens_per_s(), "tokens/s");
    });
  }
}

void measure_long_context(const GpuCheckOptions& options, GpuReport& report) {
  SpeedModels models(options, report);
  for (const KvType type : {KvType::kFloat16, KvType::kQ4}) {
    const KvTypes types = same_kv_types(type);
    const std::string name =
        fmt::format("decode K=4 mul1, batch 1, context 32k, cache {}", kv_types_name(types));
    attempt(report, name, [&] {
      const SpeedPlan plan = {0, 32768 - 64, 64, kPromptChunk};
      decode(models, kUsual, types, 1, plan, name, report);
    });
  }
}

}  // namespace trellis
