// Times the choice of one token out of the vocabulary of Llama 3, which stands between a step's
// logits and the next step: every common stack of parameters.
#include "backend/random_data.h"
#include "sampling/sampler.h"

#include <benchmark/benchmark.h>

#include <vector>

namespace trellis {
namespace {

constexpr int64_t kVocabSize = 128256;

/// Logits as of a model that is fairly sure: normal ones of deviation 2.5, and a few that stand
/// out.
std::vector<float> make_logits() {
  std::vector<float> logits = test::RandomData(1).normals(kVocabSize);
  for (float& logit : logits) logit *= 2.5f;
  for (size_t i = 0; i < 40; ++i) logits[i * 3001] = 18.0f - 0.25f * static_cast<float>(i);
  return logits;
}

void sample(benchmark::State& state, const SamplingParams& params) {
  const std::vector<float> logits = make_logits();
  Sampler sampler(params, kVocabSize, {});
  for (auto _ : state) {
    const int32_t token = sampler.sample({logits, {}});
    sampler.accept(token);
    benchmark::DoNotOptimize(token);
  }
  state.SetItemsProcessed(state.iterations());
}

SamplingParams params(float temperature, int top_k, float top_p, float min_p) {
  SamplingParams params;
  params.temperature = temperature;
  params.top_k = top_k;
  params.top_p = top_p;
  params.min_p = min_p;
  params.seed = 1;
  return params;
}

SamplingParams penalized() {
  SamplingParams result = params(0.7f, 0, 0.9f, 0.0f);
  result.repetition_penalty = 1.1f;
  return result;
}

/// Plain but for one parameter, which only the host knows.
template <typename Value>
SamplingParams with(Value SamplingParams::* field, Value value) {
  SamplingParams result = params(1.0f, 0, 1.0f, 0.0f);
  result.*field = value;
  return result;
}

BENCHMARK_CAPTURE(sample, greedy, params(0.0f, 0, 1.0f, 0.0f))->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(sample, plain, params(1.0f, 0, 1.0f, 0.0f))->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(sample, temperature, params(0.7f, 0, 1.0f, 0.0f))->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(sample, top_k, params(0.7f, 40, 1.0f, 0.0f))->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(sample, top_p, params(0.6f, 0, 0.9f, 0.0f))->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(sample, top_k_top_p, params(0.6f, 20, 0.95f, 0.0f))
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(sample, min_p, params(1.0f, 0, 1.0f, 0.05f))->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(sample, penalties, penalized())->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(sample, dynamic_temperature, with(&SamplingParams::temperature_range, 0.5f))
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(sample, top_n_sigma, with(&SamplingParams::top_n_sigma, 1.0f))
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(sample, typical_p, with(&SamplingParams::typical_p, 0.9f))
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(sample, xtc, with(&SamplingParams::xtc_probability, 0.5f))
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(sample, mirostat, with(&SamplingParams::mirostat_tau, 5.0f))
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace trellis

BENCHMARK_MAIN();
