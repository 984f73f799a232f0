#include "engine/scheduler.h"

#include "base/error.h"

#include <algorithm>

namespace trellis {
namespace {

bool comes_before(const Sequence* a, const Sequence* b) {
  if (a->priority != b->priority) return a->priority > b->priority;
  return a->arrival < b->arrival;
}

void insert_in_order(std::vector<Sequence*>& sequences, Sequence& sequence) {
  sequences.insert(
      std::upper_bound(sequences.begin(), sequences.end(), &sequence, comes_before), &sequence
  );
}

}  // namespace

Scheduler::Scheduler(const SchedulerOptions& options, PrefixCache* prefixes, const TierBelow& below)
    : options_(options) {
  if (prefixes != nullptr) sharing_.emplace(*prefixes, below);
}

void Scheduler::add(Sequence& sequence) {
  sequence.arrival = num_added_++;
  insert_in_order(waiting_, sequence);
  if (sharing_) sharing_->prepare(sequence);  // so that its pages may be asked for at once
}

const Sequence* Scheduler::find_source(const Sequence& sequence) const {
  const Sequence* source = nullptr;
  if (!sharing_) return source;
  for (const Sequence* other : running_) {
    if (source != nullptr && other->num_computed <= source->num_computed) continue;
    if (PrefixSharing::covers(*other, sequence)) source = other;
  }
  return source;
}

bool Scheduler::find_pages(Sequence& sequence, int num_spare, const Sequence* source) {
  if (sequence.awaits_pages()) return false;
  if (sharing_) return sharing_->admit(sequence, num_spare, source);
  const int64_t tokens = sequence.num_tokens();
  return sequence.cache.can_reserve(tokens, num_spare) && sequence.cache.reserve(tokens);
}

void Scheduler::give_pages_back(Sequence& sequence) {
  if (sharing_) sharing_->leave(sequence);
  sequence.cache.clear();
  sequence.num_computed = 0;
  sequence.num_shared_pages = 0;
}

void Scheduler::preempt(Sequence& sequence) {
  std::erase(running_, &sequence);
  insert_in_order(waiting_, sequence);
  give_pages_back(sequence);
  ++sequence.num_preemptions;
}

void Scheduler::grow() {
  for (size_t i = 0; i < running_.size(); ++i) {
    Sequence& sequence = *running_[i];
    while (sequence.has_work() && !sequence.cache.reserve(sequence.num_tokens())) {
      Sequence& youngest = *running_.back();
      TRELLIS_CHECK(running_.size() > 1, "the pool holds each sequence alone");
      preempt(youngest);
      if (&youngest == &sequence) return;
    }
  }
}

void Scheduler::admit() {
  const auto will_grow = [](const Sequence* sequence) {
    return sequence->cache.capacity() < sequence->max_tokens;
  };
  auto num_spare = static_cast<int>(std::count_if(running_.begin(), running_.end(), will_grow));
  size_t index = 0;
  while (index < waiting_.size() && running_.size() < static_cast<size_t>(options_.max_sequences)) {
    Sequence& next = *waiting_[index];
    if (sharing_) sharing_->prepare(next);
    const Sequence* const source = find_source(next);
    const bool is_on_its_way = source != nullptr && source->num_computed < next.num_reusable();
    if (is_on_its_way && sharing_->is_worth_waiting(next)) {
      ++index;
    } else if (find_pages(next, num_spare, is_on_its_way ? nullptr : source)) {
      num_spare += will_grow(&next) ? 1 : 0;
      const auto place = waiting_.begin() + static_cast<std::ptrdiff_t>(index);
      std::for_each(waiting_.begin(), place, [](Sequence* earlier) { ++earlier->num_overtaken; });
      waiting_.erase(place);
      insert_in_order(running_, next);
      index = 0;  // one of those before it may bear no more
    } else if (next.num_overtaken >= kMaxOvertakes) {
      return;
    } else {
      ++index;
    }
  }
}

std::vector<Scheduler::Planned> Scheduler::plan() {
  grow();
  admit();
  return deal();
}

std::vector<Scheduler::Planned> Scheduler::deal() const {
  int64_t budget = std::max(options_.max_step_tokens, options_.max_sequences);
  std::vector<Planned> planned;
  const auto take = [&](Sequence& sequence, int64_t most) {
    const auto pending = static_cast<int64_t>(sequence.pending().size());
    const int64_t count = std::min(pending, most);
    planned.push_back({&sequence, count, count == pending && !sequence.is_prompt_only});
    budget -= count;
  };
  std::vector<Sequence*> prompts;
  for (Sequence* sequence : running_) {
    if (!sequence->has_work()) continue;
    if (sequence->pending().size() == 1) {
      take(*sequence, 1);
    } else {
      prompts.push_back(sequence);
    }
  }
  // The shortest first: what it leaves of its share is then part of the shares of the others. The
  // budget has a token for each running sequence, so no share is empty.
  std::stable_sort(prompts.begin(), prompts.end(), [](const Sequence* a, const Sequence* b) {
    return a->pending().size() < b->pending().size();
  });
  for (size_t i = 0; i < prompts.size(); ++i) {
    take(*prompts[i], budget / static_cast<int64_t>(prompts.size() - i));
  }
  return planned;
}

void Scheduler::commit(const std::vector<Planned>& planned) {
  for (const Planned& entry : planned) {
    Sequence& sequence = *entry.sequence;
    sequence.num_computed += entry.num_tokens;
    const int64_t done = std::min(sequence.num_computed, sequence.states_end);
    sequence.states_begin = std::max(sequence.states_begin, done);
    if (sharing_) sharing_->publish(sequence);
  }
}

std::vector<PageMove> Scheduler::take_moves() {
  return sharing_ ? sharing_->take_moves() : std::vector<PageMove>();
}

Step Scheduler::make_step(const std::vector<Planned>& planned) {
  Step step;
  for (const Planned& entry : planned) {
    const Sequence& sequence = *entry.sequence;
    StepEntry& result = step.entries.emplace_back();
    result.cache = &sequence.cache;
    result.first_position = sequence.num_computed;
    result.tokens = sequence.pending().first(static_cast<size_t>(entry.num_tokens));
    if (entry.wants_logits) {
      result.num_logits = 1;
      result.chosen_row = sequence.chosen_row;
    }
    const int64_t begin = std::max(sequence.states_begin, sequence.num_computed);
    const int64_t end = std::min(sequence.states_end, sequence.num_computed + entry.num_tokens);
    if (begin < end) {
      result.first_state = static_cast<int>(begin - sequence.num_computed);
      result.num_states = static_cast<int>(end - begin);
    }
  }
  return step;
}

void Scheduler::remove(Sequence& sequence) {
  std::erase(waiting_, &sequence);
  std::erase(running_, &sequence);
  give_pages_back(sequence);
}

}  // namespace trellis
