// Times what the host does for a step beside the model: planning it, laying it out as a list,
// committing it. Sequences come and go as in an engine that is never idle.
#include "engine/scheduler.h"

#include <benchmark/benchmark.h>

#include <memory>
#include <random>
#include <vector>

namespace trellis {
namespace {

constexpr size_t kPromptTokens = 700;
constexpr int64_t kMostAnswerTokens = 500;

/// Takes the place of a model: every row's next token is the number of its row.
class FakeRunner {
 public:
  static std::vector<int32_t> run(const Step& step) {
    std::vector<int32_t> chosen;
    for (const StepEntry& entry : step.entries) {
      for (int i = 0; i < entry.num_logits; ++i) {
        chosen.push_back(static_cast<int32_t>(chosen.size()));
      }
    }
    return chosen;
  }
};

/// num_sequences run side by side and others wait, in a pool of num_pages for each that runs.
void steps(benchmark::State& state, int num_sequences, int num_pages, int num_waiting) {
  PagePool pool(num_sequences * num_pages);
  PrefixCache prefixes(pool, random_sip_key());
  Scheduler scheduler({num_sequences, 512}, &prefixes);
  std::mt19937 random(1);
  std::vector<std::unique_ptr<Sequence>> sequences;
  const auto add = [&] {
    const auto answer = 1 + static_cast<int64_t>(random() % kMostAnswerTokens);
    std::vector<int32_t> prompt(kPromptTokens);
    for (int32_t& token : prompt) token = static_cast<int32_t>(random() % 1000);
    sequences.push_back(std::make_unique<Sequence>(
        pool, std::move(prompt), static_cast<int64_t>(kPromptTokens) + answer
    ));
    scheduler.add(*sequences.back());
  };
  for (int i = 0; i < num_sequences + num_waiting; ++i) add();
  int64_t num_planned = 0;
  for (auto _ : state) {
    const auto planned = scheduler.plan();
    benchmark::DoNotOptimize(scheduler.take_moves());
    const Step step = Scheduler::make_step(planned);
    const std::vector<int32_t> chosen = FakeRunner::run(step);
    scheduler.commit(planned);
    num_planned += static_cast<int64_t>(planned.size());
    size_t row = 0;
    for (const auto& entry : planned) {
      if (!entry.wants_logits) continue;
      Sequence* const sequence = entry.sequence;
      sequence->append(chosen[row++]);
      if (!sequence->is_full()) continue;
      scheduler.remove(*sequence);
      state.PauseTiming();
      std::erase_if(sequences, [&](const auto& owner) { return owner.get() == sequence; });
      add();
      state.ResumeTiming();
    }
  }
  state.counters["entries"] =
      static_cast<double>(num_planned) / static_cast<double>(state.iterations());
  for (const auto& sequence : sequences) scheduler.remove(*sequence);
}

BENCHMARK_CAPTURE(steps, one, 1, 5, 1)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(steps, sixteen, 16, 5, 16)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(steps, sixty_four, 64, 5, 64)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(steps, sixty_four_short_of_pages, 64, 3, 1000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace trellis

BENCHMARK_MAIN();
