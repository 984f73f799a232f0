#include "engine/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>

namespace trellis {
namespace {

std::vector<int32_t> prompt_of(size_t tokens) {
  return std::vector<int32_t>(tokens, 7);
}

TEST(Scheduler, CutsALongPromptIntoChunksOfTheTokenBudget) {
  PagePool pool(8);
  Scheduler scheduler({4, 100});
  Sequence sequence(pool, prompt_of(250), 260);
  scheduler.add(sequence);

  std::vector<int64_t> chunks;
  std::vector<bool> logits;
  for (int step = 0; step < 3; ++step) {
    const auto planned = scheduler.plan();
    ASSERT_EQ(planned.size(), 1u);
    chunks.push_back(planned[0].num_tokens);
    logits.push_back(planned[0].wants_logits);
    scheduler.commit(planned);
  }

  EXPECT_THAT(chunks, testing::ElementsAre(100, 100, 50));
  EXPECT_THAT(logits, testing::ElementsAre(false, false, true));
}

TEST(Scheduler, GivesGeneratingSequencesTheirTokenBeforePromptsGetTheRest) {
  PagePool pool(8);
  Scheduler scheduler({4, 64});
  Sequence generating(pool, prompt_of(10), 20);
  Sequence prompt(pool, prompt_of(200), 210);
  scheduler.add(generating);
  scheduler.commit(scheduler.plan());
  generating.tokens.push_back(3);
  scheduler.add(prompt);

  const auto planned = scheduler.plan();

  ASSERT_EQ(planned.size(), 2u);
  EXPECT_EQ(planned[0].sequence, &generating);
  EXPECT_EQ(planned[0].num_tokens, 1);
  EXPECT_TRUE(planned[0].wants_logits);
  EXPECT_EQ(planned[1].sequence, &prompt);
  EXPECT_EQ(planned[1].num_tokens, 63);
  EXPECT_FALSE(planned[1].wants_logits);
}

TEST(Scheduler, LetsPromptsShareTheBudgetEvenlyAndGivesTheRestOfAShareToTheLongerOnes) {
  PagePool pool(8);
  Scheduler scheduler({4, 100});
  Sequence generating(pool, prompt_of(1), 20);
  Sequence longest(pool, prompt_of(500), 510);
  Sequence shortest(pool, prompt_of(20), 30);
  Sequence middle(pool, prompt_of(60), 70);
  for (Sequence* sequence : {&generating, &longest, &shortest, &middle}) scheduler.add(*sequence);

  const auto planned = scheduler.plan();

  std::map<Sequence*, int64_t> shares;
  for (const auto& entry : planned) shares[entry.sequence] = entry.num_tokens;
  // Of the 99 behind the generating one's token: a third is 33, of which 20 are enough; of the
  // other 79 each of the two gets a half, the longer one the odd token.
  EXPECT_EQ(
      shares, (std::map<Sequence*, int64_t>{
                  {&generating, 1}, {&shortest, 20}, {&middle, 39}, {&longest, 40}
              })
  );
}

TEST(Scheduler, AdmitsByPriorityAndThenByArrival) {
  PagePool pool(8);
  Scheduler scheduler({1, 100});
  Sequence first(pool, prompt_of(10), 20);
  Sequence second(pool, prompt_of(10), 20);
  Sequence urgent(pool, prompt_of(10), 20);
  urgent.priority = 1;
  for (Sequence* sequence : {&first, &second, &urgent}) scheduler.add(*sequence);

  std::vector<Sequence*> order;
  while (scheduler.num_waiting() > 0 || scheduler.num_running() > 0) {
    order.push_back(scheduler.plan().at(0).sequence);
    scheduler.remove(*order.back());
  }

  EXPECT_THAT(order, testing::ElementsAre(&urgent, &first, &second));
}

TEST(Scheduler, LetsSmallSequencesOvertakeALargeOneOnlySoOften) {
  PagePool pool(4);
  Scheduler scheduler({4, 100});
  Sequence holder(pool, prompt_of(10), 2 * kPageTokens);
  Sequence large(pool, prompt_of(3 * kPageTokens), 4 * kPageTokens);
  scheduler.add(holder);
  scheduler.plan();
  scheduler.add(large);

  int overtakes = 0;
  for (int round = 0; round < 100; ++round) {
    Sequence small(pool, prompt_of(10), kPageTokens);
    scheduler.add(small);
    if (scheduler.plan().size() == 2) ++overtakes;
    scheduler.remove(small);
  }

  EXPECT_EQ(overtakes, Scheduler::kMaxOvertakes);
  scheduler.remove(holder);
  EXPECT_EQ(scheduler.plan().at(0).sequence, &large);
}

TEST(Scheduler, GivesAnAnswerItsPagesAsItGrows) {
  PagePool pool(3);
  Scheduler scheduler({4, 512});
  Sequence sequence(pool, prompt_of(kPageTokens - 1), 3 * kPageTokens);
  scheduler.add(sequence);

  std::vector<int> free;
  for (int step = 0; step < 3; ++step) {
    scheduler.commit(scheduler.plan());
    free.push_back(pool.num_free());
    sequence.append(1);
  }

  EXPECT_THAT(free, testing::ElementsAre(2, 2, 1));
}

/// The first of its kind leaves a page for the one that runs to grow by, and no more.
TEST(Scheduler, AdmitsASequenceOnlyWherePagesAreLeftForThoseThatGrow) {
  PagePool pool(3);
  Scheduler scheduler({4, 512});
  Sequence first(pool, prompt_of(10), 2 * kPageTokens);
  Sequence second(pool, prompt_of(10), 2 * kPageTokens);
  Sequence third(pool, prompt_of(10), 20);
  for (Sequence* sequence : {&first, &second, &third}) scheduler.add(*sequence);

  EXPECT_EQ(scheduler.plan().size(), 2u);
  EXPECT_EQ(scheduler.num_waiting(), 1u);
  EXPECT_EQ(third.num_computed, 0);
}

class Preemption : public testing::Test {
 protected:
  /// Two sequences whose first page is full, in a pool with one more.
  void fill(Scheduler& scheduler) {
    scheduler.add(older_);
    scheduler.add(younger_);
    scheduler.commit(scheduler.plan());
    ASSERT_EQ(scheduler.num_running(), 2u);
    older_.append(1);
    younger_.append(2);
  }
  PagePool pool_{3};
  Sequence older_{pool_, prompt_of(kPageTokens), 2 * kPageTokens};
  Sequence younger_{pool_, prompt_of(kPageTokens), 2 * kPageTokens};
};

TEST_F(Preemption, TakesThePagesOfTheYoungestWhichHasItsTokensComputedAgain) {
  Scheduler scheduler({4, 1000});
  fill(scheduler);

  const auto planned = scheduler.plan();
  ASSERT_EQ(planned.size(), 1u);
  EXPECT_EQ(planned[0].sequence, &older_);
  EXPECT_EQ(younger_.num_computed, 0);
  EXPECT_EQ(younger_.num_preemptions, 1);
  EXPECT_TRUE(younger_.cache.pages().empty());
  EXPECT_EQ(pool_.num_free(), 1);

  scheduler.remove(older_);
  const auto again = scheduler.plan();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].sequence, &younger_);
  EXPECT_EQ(again[0].num_tokens, kPageTokens + 1);
  EXPECT_TRUE(again[0].wants_logits);
  EXPECT_EQ(younger_.tokens.back(), 2);
}

TEST_F(Preemption, SparesThoseOfAHigherPriority) {
  Scheduler scheduler({4, 1000});
  younger_.priority = 1;
  fill(scheduler);

  EXPECT_EQ(scheduler.plan().at(0).sequence, &younger_);
  EXPECT_EQ(older_.num_preemptions, 1);
}

TEST_F(Preemption, KeepsATokenThatTheDeviceIsStillChoosing) {
  Scheduler scheduler({4, 1000});
  fill(scheduler);
  younger_.tokens.pop_back();
  younger_.append_unknown(1);

  scheduler.plan();
  younger_.append(9);
  scheduler.remove(older_);

  const StepEntry entry = Scheduler::make_step(scheduler.plan()).entries.at(0);
  EXPECT_EQ(entry.first_position, 0);
  EXPECT_EQ(entry.tokens.size(), static_cast<size_t>(kPageTokens + 1));
  EXPECT_EQ(entry.tokens.back(), 9);
  EXPECT_EQ(entry.chosen_row, -1);
}

TEST(Scheduler, GoesOnFromATokenThatIsYetUnknownUnlessItIsTheLastOne) {
  PagePool pool(3);
  Scheduler scheduler({4, 512});
  Sequence sequence(pool, prompt_of(10), 12);
  scheduler.add(sequence);
  scheduler.commit(scheduler.plan());

  sequence.append_unknown(2);
  const auto planned = scheduler.plan();
  ASSERT_EQ(planned.size(), 1u);
  const StepEntry entry = Scheduler::make_step(planned).entries.at(0);
  EXPECT_EQ(entry.first_position, 10);
  EXPECT_EQ(entry.chosen_row, 2);
  scheduler.commit(planned);

  sequence.append(5);
  sequence.append_unknown(0);
  EXPECT_TRUE(scheduler.plan().empty());
  EXPECT_THAT(sequence.tokens, testing::ElementsAre(7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 5, 0));
}

TEST(Scheduler, PassesOverASequenceThatIsHeld) {
  PagePool pool(4);
  Scheduler scheduler({4, 100});
  Sequence held(pool, prompt_of(10), 20);
  Sequence other(pool, prompt_of(10), 20);
  scheduler.add(held);
  scheduler.add(other);
  scheduler.commit(scheduler.plan());
  held.forget_last();
  held.is_held = true;
  other.append(3);

  const auto without = scheduler.plan();
  scheduler.commit(without);
  held.is_held = false;
  const auto with = scheduler.plan();

  ASSERT_EQ(without.size(), 1u);
  EXPECT_EQ(without[0].sequence, &other);
  ASSERT_EQ(with.size(), 1u);
  EXPECT_EQ(with[0].sequence, &held);
  EXPECT_EQ(with[0].num_tokens, 1);
  EXPECT_TRUE(with[0].wants_logits);
}

TEST(Scheduler, ComputesATokenAnewThatWasNotTheOneTaken) {
  PagePool pool(3);
  Scheduler scheduler({4, 512});
  Sequence sequence(pool, prompt_of(10), 20);
  scheduler.add(sequence);
  scheduler.commit(scheduler.plan());
  sequence.append_unknown(0);
  scheduler.commit(scheduler.plan());

  sequence.append(9);
  sequence.forget_last();

  const StepEntry entry = Scheduler::make_step(scheduler.plan()).entries.at(0);
  EXPECT_EQ(entry.first_position, 10);
  EXPECT_THAT(entry.tokens, testing::ElementsAre(9));
  EXPECT_EQ(entry.chosen_row, -1);
}

/// Plays an engine: requests of random lengths and priorities come, some are cancelled, the others
/// run to their limit. After each step it checks what must hold of any plan.
class RandomRequests : public testing::TestWithParam<uint32_t> {
 protected:
  static constexpr int kPages = 7;
  static constexpr int kMaxSequences = 4;
  static constexpr int kMaxStepTokens = 90;

  size_t draw(size_t bound) { return random_() % bound; }

  void add_one() {
    const size_t length = 1 + draw(3 * kPageTokens);
    const auto limit = static_cast<int64_t>(length + 1 + draw(kPageTokens * (kPages - 3)));
    auto sequence = std::make_unique<Sequence>(pool_, prompt_of(length), limit);
    sequence->priority = static_cast<int>(draw(8)) == 0 ? 1 : 0;
    scheduler_.add(*sequence);
    alive_.push_back({std::move(sequence)});
  }

  void end(Sequence* sequence) {
    scheduler_.remove(*sequence);
    std::erase_if(alive_, [&](const Request& request) {
      return request.sequence.get() == sequence;
    });
  }

  void check(const std::vector<Scheduler::Planned>& planned) {
    int64_t total = 0;
    for (const auto& entry : planned) {
      Sequence& sequence = *entry.sequence;
      ASSERT_GT(entry.num_tokens, 0);
      ASSERT_LE(sequence.num_computed + entry.num_tokens, sequence.num_tokens());
      ASSERT_GE(sequence.cache.capacity(), sequence.num_computed + entry.num_tokens);
      total += entry.num_tokens;
    }
    ASSERT_LE(total, kMaxStepTokens);
    // Nobody who runs stands still, and whoever is first of all runs.
    ASSERT_EQ(planned.size(), scheduler_.num_running());
    ASSERT_LE(planned.size(), static_cast<size_t>(kMaxSequences));
    ASSERT_EQ(scheduler_.num_running() + scheduler_.num_waiting(), alive_.size());
    check_order(planned);
    check_pages();
  }

  void check_order(const std::vector<Scheduler::Planned>& planned) {
    const auto runs = [&](const Request& request) {
      return std::any_of(planned.begin(), planned.end(), [&](const auto& entry) {
        return entry.sequence == request.sequence.get();
      });
    };
    const Request* first = nullptr;
    for (const Request& request : alive_) {
      ASSERT_LE(request.sequence->num_overtaken, Scheduler::kMaxOvertakes);
      if (first == nullptr || request.sequence->priority > first->sequence->priority) {
        first = &request;
      }
    }
    for (Request& request : alive_) {
      const bool preempted = request.sequence->num_preemptions > request.num_preemptions;
      if (request.is_first && &request == first) {
        ASSERT_FALSE(preempted);
        ASSERT_TRUE(runs(request) || !request.ran);
      }
      if (!preempted || !runs(request)) {
        ASSERT_EQ(request.sequence->num_computed, preempted ? 0 : request.num_computed);
      }
      num_preemptions_ += preempted ? 1 : 0;
      request.num_preemptions = request.sequence->num_preemptions;
      request.is_first = &request == first;
      request.ran = runs(request);
    }
  }

  void check_pages() {
    pool_.check_integrity();
    std::vector<bool> used(kPages, false);
    int num_used = 0;
    for (const Request& request : alive_) {
      for (const PageId page : request.sequence->cache.pages()) {
        ASSERT_FALSE(used[static_cast<size_t>(page)]) << "page " << page << " has two owners";
        used[static_cast<size_t>(page)] = true;
        ++num_used;
      }
    }
    ASSERT_EQ(num_used, kPages - pool_.num_free());
  }

  void step() {
    const auto planned = scheduler_.plan();
    check(planned);
    scheduler_.commit(planned);
    for (Request& request : alive_) request.num_computed = request.sequence->num_computed;
    for (const auto& entry : planned) {
      if (!entry.wants_logits) continue;
      entry.sequence->append(1);
      if (!entry.sequence->is_full()) continue;
      end(entry.sequence);
      ++num_complete_;
    }
  }

  struct Request {
    std::unique_ptr<Sequence> sequence;
    int64_t num_computed = 0;
    int num_preemptions = 0;
    bool is_first = false;
    bool ran = false;
  };

  std::mt19937 random_{GetParam()};
  PagePool pool_{kPages};
  Scheduler scheduler_{{kMaxSequences, kMaxStepTokens}};
  std::vector<Request> alive_;
  int num_complete_ = 0;
  int num_preemptions_ = 0;
};

TEST_P(RandomRequests, AllEndInOrderAndNoPageIsLostOrUsedTwice) {
  int num_added = 0;
  int num_cancelled = 0;
  while (num_added < 1000 || !alive_.empty()) {
    if (num_added < 1000 && alive_.size() < 12 && draw(20) == 0) {
      add_one();
      ++num_added;
    }
    if (!alive_.empty() && draw(300) == 0) {
      end(alive_[draw(alive_.size())].sequence.get());
      ++num_cancelled;
    }
    ASSERT_NO_FATAL_FAILURE(step());
  }

  EXPECT_EQ(num_complete_ + num_cancelled, 1000);
  EXPECT_GT(num_complete_, 300);
  EXPECT_GT(num_preemptions_, 100);
  EXPECT_EQ(pool_.num_free(), kPages);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomRequests, testing::Values(20261124u, 1u, 2u, 3u, 4u));

}  // namespace
}  // namespace trellis
