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
    Scheduler::commit(planned);
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
  Scheduler::commit(scheduler.plan());
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
  PagePool pool(3);
  Scheduler scheduler({4, 100});
  Sequence holder(pool, prompt_of(10), 2 * kPageTokens);
  Sequence large(pool, prompt_of(10), 3 * kPageTokens);
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

TEST(Scheduler, LetsASequenceWaitUntilItsWholeAnswerFitsThePool) {
  PagePool pool(3);
  Scheduler scheduler({4, 512});
  Sequence first(pool, prompt_of(10), 2 * kPageTokens);
  Sequence second(pool, prompt_of(10), 2 * kPageTokens);
  scheduler.add(first);
  scheduler.add(second);

  EXPECT_EQ(scheduler.plan().size(), 1u);
  EXPECT_EQ(scheduler.num_waiting(), 1u);

  scheduler.remove(first);
  const auto planned = scheduler.plan();
  ASSERT_EQ(planned.size(), 1u);
  EXPECT_EQ(planned[0].sequence, &second);
}

TEST(Scheduler, GoesOnFromATokenThatIsYetUnknownUnlessItIsTheLastOne) {
  PagePool pool(3);
  Scheduler scheduler({4, 512});
  Sequence sequence(pool, prompt_of(10), 12);
  scheduler.add(sequence);
  Scheduler::commit(scheduler.plan());

  sequence.append_unknown(2);
  const auto planned = scheduler.plan();
  ASSERT_EQ(planned.size(), 1u);
  const StepEntry entry = Scheduler::make_step(planned).entries.at(0);
  EXPECT_EQ(entry.first_position, 10);
  EXPECT_EQ(entry.chosen_row, 2);
  Scheduler::commit(planned);

  sequence.append(5);
  sequence.append_unknown(0);
  EXPECT_TRUE(scheduler.plan().empty());
  EXPECT_THAT(sequence.tokens, testing::ElementsAre(7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 5, 0));
}

TEST(Scheduler, ComputesATokenAnewThatWasNotTheOneTaken) {
  PagePool pool(3);
  Scheduler scheduler({4, 512});
  Sequence sequence(pool, prompt_of(10), 20);
  scheduler.add(sequence);
  Scheduler::commit(scheduler.plan());
  sequence.append_unknown(0);
  Scheduler::commit(scheduler.plan());

  sequence.append(9);
  sequence.forget_last();

  const StepEntry entry = Scheduler::make_step(scheduler.plan()).entries.at(0);
  EXPECT_EQ(entry.first_position, 10);
  EXPECT_THAT(entry.tokens, testing::ElementsAre(9));
  EXPECT_EQ(entry.chosen_row, -1);
}

TEST(Scheduler, FeedsEveryTokenExactlyOnceUnderRandomArrivalsAndDepartures) {
  constexpr uint32_t kSeed = 20261124;
  SCOPED_TRACE(kSeed);
  std::mt19937 random(kSeed);
  PagePool pool(12);
  Scheduler scheduler({3, 50});
  std::map<Sequence*, std::unique_ptr<Sequence>> alive;
  std::map<Sequence*, int64_t> fed;
  int finished = 0;

  for (int round = 0; round < 3000; ++round) {
    if (random() % 4 == 0 && alive.size() < 8) {
      const size_t length = 1 + random() % 300;
      const auto limit = static_cast<int64_t>(length + 1 + random() % 40);
      auto sequence = std::make_unique<Sequence>(pool, prompt_of(length), limit);
      scheduler.add(*sequence);
      alive.emplace(sequence.get(), std::move(sequence));
    }
    const auto planned = scheduler.plan();
    int64_t total = 0;
    for (const auto& entry : planned) {
      EXPECT_EQ(entry.sequence->num_computed, fed[entry.sequence]);
      fed[entry.sequence] += entry.num_tokens;
      total += entry.num_tokens;
    }
    EXPECT_LE(total, 50);
    EXPECT_LE(scheduler.num_running(), 3u);
    Scheduler::commit(planned);
    for (const auto& entry : planned) {
      Sequence& sequence = *entry.sequence;
      if (!entry.wants_logits) continue;
      sequence.tokens.push_back(1);
      if (static_cast<int64_t>(sequence.tokens.size()) < sequence.max_tokens) continue;
      scheduler.remove(sequence);
      fed.erase(&sequence);
      alive.erase(&sequence);
      ++finished;
    }
    pool.check_integrity();
  }
  EXPECT_GT(finished, 100);
  for (const auto& [sequence, owner] : alive) scheduler.remove(*sequence);
  EXPECT_EQ(pool.num_free(), 12);
}

}  // namespace
}  // namespace trellis
