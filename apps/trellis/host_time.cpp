#include "apps/trellis/host_time.h"

#include "engine/model_runner.h"
#include "engine/scheduler.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <vector>

namespace trellis {
namespace {

constexpr int kWarmUpSteps = 8;  // the first steps of a shape grow memory and are recorded
constexpr int kSteps = 64;

/// Sums what lies between its starts and stops.
class Stopwatch {
 public:
  void start() { begin_ = std::chrono::steady_clock::now(); }
  void stop() {
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }
  double seconds() const { return seconds_; }

 private:
  std::chrono::steady_clock::time_point begin_;
  double seconds_ = 0;
};

/// Sequences that go on for ever, driven as the engine drives them: the next step is issued before
/// the tokens of the one before are known, where the device chooses them.
class Driver {
 public:
  Driver(const Model& model, Backend& backend, KvTypes cache_types, int num_sequences)
      : cache_(backend, model.cache_spec(cache_types), num_sequences),
        pool_(num_sequences),
        scheduler_({num_sequences, num_sequences}),
        runner_(model, backend, cache_),
        choices_(static_cast<size_t>(num_sequences)) {
    for (TokenChoice& choice : choices_) choice.vocab = static_cast<int32_t>(runner_.vocab_size());
    for (int i = 0; i < num_sequences; ++i) {
      sequences_.emplace_back(pool_, std::vector<int32_t>{1}, int64_t{kPageTokens});
      scheduler_.add(sequences_.back());
    }
  }

  /// Returns what the host took.
  double step() {
    Stopwatch watch;
    watch.start();
    const auto planned = scheduler_.plan();
    runner_.compute(Scheduler::make_step(planned));
    scheduler_.commit(planned);
    watch.stop();
    if (!runner_.chooses_tokens()) {
      for (Sequence& sequence : sequences_) sequence.append(1);
      return watch.seconds();
    }
    if (chose_) {
      const auto tokens = runner_.chosen();  // waits
      for (size_t i = 0; i < planned.size(); ++i) planned[i].sequence->append(tokens[i]);
    }
    watch.start();
    runner_.choose(choices_, {});
    for (size_t i = 0; i < planned.size(); ++i) {
      planned[i].sequence->append_unknown(static_cast<int>(i));
    }
    watch.stop();
    chose_ = true;
    return watch.seconds();
  }

  void finish() {
    if (chose_) runner_.chosen();
  }

 private:
  CacheStorage cache_;
  PagePool pool_;
  Scheduler scheduler_;
  ModelRunner runner_;
  std::deque<Sequence> sequences_;
  std::vector<TokenChoice> choices_;
  bool chose_ = false;  // tokens are on their way
};

}  // namespace

double host_step_s(const Model& model, Backend& backend, KvTypes cache_types, int num_sequences) {
  Driver driver(model, backend, cache_types, num_sequences);
  for (int i = 0; i < kWarmUpSteps; ++i) driver.step();
  std::vector<double> seconds;
  for (int i = 0; i < kSteps; ++i) seconds.push_back(driver.step());
  driver.finish();
  const auto middle = seconds.begin() + kSteps / 2;
  std::nth_element(seconds.begin(), middle, seconds.end());
  return *middle;
}

}  // namespace trellis
