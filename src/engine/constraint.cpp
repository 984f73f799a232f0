#include "engine/constraint.h"

#include "base/error.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace trellis {
namespace {

using Clock = std::chrono::steady_clock;

enum class Stage : uint8_t { kAsked, kForced, kDone };

}  // namespace

/// Shared with the worker. What a stage has made is not written again until the next accept().
struct Constraint::State {
  explicit State(const CompiledGrammar& grammar)
      : matcher(grammar.matcher->clone()),
        num_accepted(grammar.forced.size()),
        forced(grammar.forced),
        is_over(matcher->is_over()),
        mask(grammar.mask),
        may_end(grammar.may_end) {}

  /// Calls step, which changes the forced tokens, and works out the mask behind them.
  void work(const std::function<void()>& step);
  void reach(Stage stage);
  /// Waits until then. Also true where it has taken too long.
  bool reaches(Stage wanted, Clock::time_point end);
  /// Throws UserError where it comes to nothing.
  void wait_for(Stage wanted);

  std::unique_ptr<GrammarMatcher> matcher;
  size_t num_accepted = 0;
  std::vector<int32_t> forced;
  bool is_over;
  TokenMask mask;
  bool may_end;
  std::string error;

  std::atomic<bool> abandoned{false};
  std::mutex mutex;
  std::condition_variable changed;
  Stage stage = Stage::kDone;
  std::optional<Clock::time_point> begun;  // when a thread took up the last token
};

void Constraint::State::work(const std::function<void()>& step) {
  if (abandoned.load()) return;
  {
    const std::lock_guard lock(mutex);
    begun = Clock::now();
  }
  try {
    step();
    is_over = matcher->is_over();
    reach(Stage::kForced);
    may_end = matcher->allowed(mask);
  } catch (const std::exception& failure) {
    const std::lock_guard lock(mutex);
    error = failure.what();
  }
  reach(Stage::kDone);
}

void Constraint::State::reach(Stage next) {
  const std::lock_guard lock(mutex);
  stage = next;
  changed.notify_one();
}

bool Constraint::State::reaches(Stage wanted, Clock::time_point end) {
  std::unique_lock lock(mutex);
  const auto reached = [&] { return stage >= wanted; };
  // Once begun, it may take until then; it may have to wait for a thread much longer.
  while (!reached()) {
    if (begun && Clock::now() >= *begun + kMaxGrammarTime) {
      matcher->cancel();
      return true;
    }
    if (Clock::now() >= end) return false;
    const Clock::time_point look_again = Clock::now() + std::chrono::milliseconds(50);
    changed.wait_until(lock, std::min(end, look_again), reached);
  }
  return true;
}

void Constraint::State::wait_for(Stage wanted) {
  reaches(wanted, Clock::time_point::max());
  const std::lock_guard lock(mutex);
  if (stage < wanted) {
    throw UserError(
        "the grammar needs more than {} s for a token; simplify it", kMaxGrammarTime.count()
    );
  }
  if (!error.empty()) throw UserError("{}", error);
}

Constraint::Constraint(const CompiledGrammar& grammar, MaskWorkers& workers)
    : workers_(workers), state_(std::make_shared<State>(grammar)) {}

Constraint::~Constraint() {
  state_->abandoned.store(true);
  state_->matcher->cancel();
}

void Constraint::start(const std::function<void(State&)>& step) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stage = Stage::kAsked;
    state_->begun.reset();
  }
  workers_.start([state = state_, step] { state->work([&] { step(*state); }); });
}

void Constraint::accept(int32_t token) {
  start([token](State& state) {
    state.forced = state.matcher->accept(std::array{token});
    state.num_accepted += 1 + state.forced.size();
  });
}

void Constraint::roll_back(size_t num_tokens) {
  state_->wait_for(Stage::kDone);
  if (num_tokens >= state_->num_accepted) return;  // the tokens behind it were not accepted
  start([num_tokens](State& state) {
    state.matcher->roll_back(state.num_accepted - num_tokens);
    state.num_accepted = num_tokens;
    state.forced.clear();
  });
}

bool Constraint::knows_forced(Clock::time_point until) const {
  return state_->reaches(Stage::kForced, until);
}

bool Constraint::knows_mask(Clock::time_point until) const {
  return state_->reaches(Stage::kDone, until);
}

std::span<const int32_t> Constraint::forced() const {
  state_->wait_for(Stage::kForced);
  return state_->forced;
}

bool Constraint::is_over() const {
  state_->wait_for(Stage::kForced);
  return state_->is_over;
}

const TokenMask& Constraint::mask() const {
  state_->wait_for(Stage::kDone);
  return state_->mask;
}

bool Constraint::may_end() const {
  state_->wait_for(Stage::kDone);
  return state_->may_end;
}

}  // namespace trellis
