#include "engine/scheduler.h"

#include <algorithm>

namespace trellis {

void Scheduler::admit() {
  while (!waiting_.empty() && running_.size() < static_cast<size_t>(options_.max_sequences)) {
    Sequence& next = *waiting_.front();
    if (!next.cache.reserve(next.max_tokens)) return;
    running_.push_back(&next);
    waiting_.pop_front();
  }
}

std::vector<Scheduler::Planned> Scheduler::plan() {
  admit();
  int64_t budget = std::max(options_.step_tokens, options_.max_sequences);
  std::vector<Planned> planned;
  const auto take = [&](Sequence& sequence) {
    if (sequence.is_full() && sequence.chosen_row >= 0) return;  // only to be waited for
    const auto pending = static_cast<int64_t>(sequence.pending().size());
    const int64_t count = std::min(pending, budget);
    if (count == 0) return;
    planned.push_back({&sequence, count, count == pending});
    budget -= count;
  };
  for (Sequence* sequence : running_) {
    if (sequence->pending().size() == 1) take(*sequence);
  }
  for (Sequence* sequence : running_) {
    if (sequence->pending().size() > 1) take(*sequence);
  }
  return planned;
}

void Scheduler::commit(const std::vector<Planned>& planned) {
  for (const Planned& entry : planned) entry.sequence->num_computed += entry.num_tokens;
}

Step Scheduler::make_step(const std::vector<Planned>& planned) {
  Step step;
  for (const Planned& entry : planned) {
    const Sequence& sequence = *entry.sequence;
    step.entries.push_back(
        {&sequence.cache, sequence.num_computed,
         sequence.pending().first(static_cast<size_t>(entry.num_tokens)),
         entry.wants_logits ? 1 : 0, entry.wants_logits ? sequence.chosen_row : -1}
    );
  }
  return step;
}

void Scheduler::remove(Sequence& sequence) {
  std::erase(waiting_, &sequence);
  std::erase(running_, &sequence);
  sequence.cache.clear();
}

}  // namespace trellis
