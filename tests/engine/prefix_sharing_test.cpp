// Sequences that share pages, played with a cache of whose every slot it is known for which tokens
// it was computed.
#include "base/error.h"
#include "engine/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>

namespace trellis {
namespace {

/// Takes the place of a model: what it stores for a token is a number that stands for all tokens up
/// to it, as keys and values depend on all of them.
class FakeModel {
 public:
  FakeModel(int num_pages, HostPages& below)
      : slots_(static_cast<size_t>(num_pages) * kPageTokens),
        host_slots_(static_cast<size_t>(below.num_places()) * kPageTokens),
        below_(below) {}

  static uint64_t next(uint64_t before, int32_t token) {
    return (before ^ static_cast<uint64_t>(token + 1)) * 0x9e3779b97f4a7c15u + 1;
  }

  void move(const PageMove& pages) {
    const auto page = [&](int index) { return slots_.begin() + int64_t{index} * kPageTokens; };
    const auto place = [&](int index) {
      return host_slots_.begin() + int64_t{index} * kPageTokens;
    };
    switch (pages.kind) {
      case PageMove::Kind::kCopy:
        if (pages.from != pages.to) std::copy_n(page(pages.from), kPageTokens, page(pages.to));
        break;
      case PageMove::Kind::kSave:
        std::copy_n(page(pages.from), kPageTokens, place(pages.to));
        below_.release(pages.to);
        break;
      case PageMove::Kind::kRestore:
        std::copy_n(place(pages.from), kPageTokens, page(pages.to));
        below_.release(pages.from);
        ++num_restored_;
        break;
    }
  }
  int num_restored() const { return num_restored_; }

  /// Checks that the positions before are as they must be, and stores the others. unknown: what the
  /// device takes for a last token that the host does not know.
  void compute(const Scheduler::Planned& entry, int32_t unknown = 0) {
    const Sequence& sequence = *entry.sequence;
    uint64_t state = sequence.prefix_root.low;
    const int64_t end = sequence.num_computed + entry.num_tokens;
    for (int64_t position = 0; position < end; ++position) {
      const bool known = sequence.chosen_row < 0 || position + 1 < sequence.num_tokens();
      state = next(state, known ? sequence.tokens[static_cast<size_t>(position)] : unknown);
      uint64_t& slot = slots_[static_cast<size_t>(sequence.cache.slot(position))];
      if (position < sequence.num_computed) {
        ASSERT_EQ(slot, state) << "position " << position << " holds other tokens";
      } else {
        slot = state;
      }
    }
  }

 private:
  std::vector<uint64_t> slots_;
  std::vector<uint64_t> host_slots_;
  HostPages& below_;
  int num_restored_ = 0;
};

class PrefixSharingTest : public testing::Test {
 protected:
  static std::vector<int32_t> tokens(size_t count, int32_t first = 0) {
    std::vector<int32_t> result(count);
    for (size_t i = 0; i < count; ++i) result[i] = first + static_cast<int32_t>(i % 97);
    return result;
  }
  std::unique_ptr<Sequence> make(std::vector<int32_t> prompt, int64_t answer = 10) {
    const auto limit = static_cast<int64_t>(prompt.size()) + answer;
    auto sequence = std::make_unique<Sequence>(pool_, std::move(prompt), limit);
    scheduler_.add(*sequence);
    return sequence;
  }
  void step() {
    const auto planned = scheduler_.plan();
    for (const PageMove& move : scheduler_.take_moves()) model_.move(move);
    for (const auto& entry : planned) ASSERT_NO_FATAL_FAILURE(model_.compute(entry));
    scheduler_.commit(planned);
    pool_.check_integrity();
  }
  /// Computes the prompt, and gives the pages back.
  void leave_behind(std::vector<int32_t> prompt) {
    const auto sequence = make(std::move(prompt));
    step();
    scheduler_.remove(*sequence);
  }

  explicit PrefixSharingTest(int num_places = 0, bool saves_at_once = false)
      : below_(num_places), scheduler_({4, 4000}, &prefixes_, {&below_, saves_at_once}) {}

  PagePool pool_{12};
  PrefixCache prefixes_{pool_, {3, 4}};
  HostPages below_;
  Scheduler scheduler_;
  FakeModel model_{12, below_};
};

TEST_F(PrefixSharingTest, FindsFullPagesAndTheBestPartOfOne) {
  leave_behind(tokens(600));

  std::vector<int32_t> prompt = tokens(700);
  prompt[570] = -5;
  const auto sequence = make(prompt);
  step();

  EXPECT_EQ(sequence->num_cached, 570);
}

TEST_F(PrefixSharingTest, LeavesTheLastTokenToCompute) {
  leave_behind(tokens(512));

  const auto same = make(tokens(512));
  const auto longer = make(tokens(513));
  step();

  EXPECT_EQ(same->num_cached, 511);
  EXPECT_EQ(longer->num_cached, 512);
}

TEST_F(PrefixSharingTest, SharesPagesBetweenSequencesThatRun) {
  const auto first = make(tokens(600));
  step();
  const int free = pool_.num_free();
  const auto second = make(tokens(600));
  step();

  EXPECT_EQ(second->cache.pages()[0], first->cache.pages()[0]);
  EXPECT_EQ(second->cache.pages()[1], first->cache.pages()[1]);
  EXPECT_NE(second->cache.pages()[2], first->cache.pages()[2]);
  EXPECT_EQ(pool_.num_free(), free - 1);
  EXPECT_EQ(second->num_cached, 599);
}

TEST_F(PrefixSharingTest, ComputesAPromptOnceForAllThatComeTogether) {
  Scheduler scheduler({4, 250}, &prefixes_);
  std::vector<std::unique_ptr<Sequence>> choices;
  for (int i = 0; i < 4; ++i) {
    choices.push_back(std::make_unique<Sequence>(pool_, tokens(600), 610));
    scheduler.add(*choices.back());
  }

  std::vector<int64_t> computed;
  for (int i = 0; i < 4; ++i) {
    const auto planned = scheduler.plan();
    for (const PageMove& move : scheduler.take_moves()) model_.move(move);
    int64_t& sum = computed.emplace_back(0);
    for (const auto& entry : planned) {
      ASSERT_NO_FATAL_FAILURE(model_.compute(entry));
      sum += entry.num_tokens;
    }
    scheduler.commit(planned);
    for (const auto& entry : planned) {
      if (entry.wants_logits) entry.sequence->append(1);
    }
  }

  // The prompt, the last token of each other choice beside the first's answer, then all answers.
  EXPECT_THAT(computed, testing::ElementsAre(250, 250, 100, 4));
  for (size_t i = 1; i < choices.size(); ++i) EXPECT_EQ(choices[i]->num_cached, 599);
  for (const auto& choice : choices) scheduler.remove(*choice);
}

TEST_F(PrefixSharingTest, LetsNoPromptWaitForOneThatIsOnlyAlike) {
  const auto first = make(tokens(600));
  std::vector<int32_t> other = tokens(600);
  other[590] = -5;
  const auto second = make(other);
  const auto salted = make(tokens(600));
  salted->prefix_root = prefixes_.root("other");

  EXPECT_EQ(scheduler_.plan().size(), 3u);
}

TEST_F(PrefixSharingTest, ComputesAPromptAnewWhoseHiddenStatesAreWanted) {
  leave_behind(tokens(600));
  const auto sequence = make(tokens(600));
  sequence->states_begin = 300;
  sequence->states_end = 600;
  step();

  EXPECT_EQ(sequence->num_cached, 300);
  EXPECT_EQ(sequence->states_begin, 600);
}

TEST_F(PrefixSharingTest, MergesThePagesOfSequencesThatCameTogether) {
  const auto first = make(tokens(600));
  std::vector<int32_t> other = tokens(600);
  other[590] = -5;
  const auto second = make(other);
  step();

  EXPECT_EQ(second->cache.pages()[0], first->cache.pages()[0]);
  EXPECT_EQ(pool_.num_free(), 12 - 4);
  EXPECT_EQ(second->num_cached, 0);
}

TEST_F(PrefixSharingTest, KeepsNameSpacesApart) {
  leave_behind(tokens(600));
  Sequence other(pool_, tokens(600), 610);
  other.prefix_root = prefixes_.root("other");
  scheduler_.add(other);
  step();

  EXPECT_EQ(other.num_cached, 0);
}

TEST_F(PrefixSharingTest, MakesNoPageKnownWhoseLastTokenTheDeviceIsStillChoosing) {
  const auto sequence = make(tokens(255));
  step();
  sequence->append_unknown(0);
  step();
  EXPECT_EQ(prefixes_.num_pages(), 0u);

  sequence->append(0);
  sequence->append_unknown(0);
  step();
  EXPECT_EQ(prefixes_.num_pages(), 1u);
}

TEST_F(PrefixSharingTest, FindsWhatAPreemptedSequenceLeft) {
  PagePool pool(3);
  PrefixCache prefixes(pool, {5, 6});
  Scheduler scheduler({4, 4000}, &prefixes);
  Sequence older(pool, tokens(256), 400);
  Sequence younger(pool, tokens(256, 100), 400);
  scheduler.add(older);
  scheduler.add(younger);
  scheduler.commit(scheduler.plan());
  older.append(1);
  younger.append(2);

  ASSERT_EQ(scheduler.plan().size(), 1u);
  ASSERT_EQ(younger.num_preemptions, 1);
  scheduler.remove(older);
  scheduler.plan();

  EXPECT_EQ(younger.num_computed, 256);
  EXPECT_EQ(younger.num_cached, 0);
}

/// With a second tier of 20 pages.
class SecondTier : public PrefixSharingTest {
 protected:
  SecondTier() : PrefixSharingTest(20) {}

  /// Takes every page of the pool for something else.
  void crowd_out() {
    leave_behind(tokens(1500, 1000));
    leave_behind(tokens(1500, 2000));
  }
};

TEST_F(SecondTier, BringsPagesAndTheBestPartBack) {
  leave_behind(tokens(600));
  crowd_out();
  std::vector<int32_t> prompt = tokens(700);
  prompt[570] = -5;

  const auto sequence = make(prompt);
  step();

  EXPECT_EQ(sequence->num_cached, 570);
  EXPECT_EQ(model_.num_restored(), 3);
  below_.check_integrity();
}

TEST_F(SecondTier, SharesWhatWasBroughtBackAtOnce) {
  leave_behind(tokens(600));
  crowd_out();

  const auto first = make(tokens(600));
  const auto second = make(tokens(590));
  step();

  EXPECT_EQ(first->num_cached, 599);
  EXPECT_EQ(second->num_cached, 589);
  EXPECT_EQ(second->cache.pages()[1], first->cache.pages()[1]);
}

TEST_F(SecondTier, KeepsNameSpacesApart) {
  leave_behind(tokens(600));
  crowd_out();
  Sequence other(pool_, tokens(600), 610);
  other.prefix_root = prefixes_.root("other");
  scheduler_.add(other);
  step();

  EXPECT_EQ(other.num_cached, 0);
}

struct Setting {
  uint32_t seed;
  bool ahead;  // the device chooses tokens, a step ahead of the host
  int num_places = 0;
  bool saves_at_once = false;
};

void PrintTo(const Setting& setting, std::ostream* stream) {
  *stream << "seed " << setting.seed << (setting.ahead ? ", ahead" : "") << ", "
          << setting.num_places << " places below"
          << (setting.saves_at_once ? ", saved at once" : "");
}

/// Conversations that branch off each other, in two name spaces, with cancels, in a pool that is
/// too small for them.
class RandomConversations : public PrefixSharingTest, public testing::WithParamInterface<Setting> {
 protected:
  RandomConversations() : PrefixSharingTest(GetParam().num_places, GetParam().saves_at_once) {}

  struct Conversation {
    std::unique_ptr<Sequence> sequence;
    size_t space;
    int64_t num_prompt;
    int64_t num_planned = 0;
    int64_t num_dropped = 0;  // of these, tokens that were computed in vain
    bool is_revocable = false;
    int64_t num_held = 0;  // last tokens that may be taken back
  };

  size_t draw(size_t bound) { return random_() % bound; }

  void add_one() {
    const size_t space = draw(2);
    std::vector<int32_t> prompt = histories_[space][draw(histories_[space].size())];
    prompt.resize(draw(prompt.size() + 1));
    const size_t more = 1 + draw(400);
    for (const int32_t token : tokens(more, static_cast<int32_t>(draw(3)))) prompt.push_back(token);
    if (prompt.size() > 1200) prompt.resize(1200);
    const auto length = static_cast<int64_t>(prompt.size());
    const auto limit = length + 1 + static_cast<int64_t>(draw(600));
    auto sequence = std::make_unique<Sequence>(pool_, std::move(prompt), limit);
    sequence->prefix_root = prefixes_.root(space == 0 ? "a" : "b");
    const bool is_revocable = draw(3) == 0;
    sequence->num_revocable = is_revocable ? 1 : 0;
    scheduler_.add(*sequence);
    running_.push_back({std::move(sequence), space, length});
    running_.back().is_revocable = is_revocable;
  }

  Conversation& owner_of(const Sequence* sequence) {
    return *std::find_if(running_.begin(), running_.end(), [&](const Conversation& entry) {
      return entry.sequence.get() == sequence;
    });
  }

  /// A token came. Whether it was taken back, and maybe others with it.
  bool take_back(Sequence* sequence) {
    Conversation& conversation = owner_of(sequence);
    if (!conversation.is_revocable) return false;
    int64_t& num_held = conversation.num_held;
    ++num_held;
    const bool takes = draw(6) == 0;
    if (takes) {
      const auto count = 1 + static_cast<int64_t>(draw(static_cast<size_t>(num_held)));
      const int64_t before = sequence->num_computed;
      sequence->take_back_to(sequence->num_tokens() - count);
      conversation.num_dropped += before - sequence->num_computed;
      num_held -= count;
      ++num_taken_back_;
    } else if (draw(4) == 0) {
      num_held = 0;
    }
    sequence->num_revocable = 1 + num_held;
    return takes;
  }

  void end(Sequence* sequence) {
    Conversation& conversation = owner_of(sequence);
    if (sequence->is_full() && sequence->num_preemptions == 0) {
      // Each token but the last of the answer was computed or found, and none twice.
      EXPECT_EQ(
          conversation.num_planned - conversation.num_dropped + sequence->num_cached,
          sequence->num_tokens() - 1
      );
      EXPECT_LT(sequence->num_cached, conversation.num_prompt);
    }
    num_cached_ += sequence->num_cached;
    num_preempted_ += sequence->num_preemptions > 0 ? 1 : 0;
    scheduler_.remove(*sequence);
    chosen_.erase(sequence);
    histories_[conversation.space].push_back(sequence->tokens);
    running_.erase(running_.begin() + (&conversation - running_.data()));
    ++num_ended_;
  }

  /// In the order in which an engine does it.
  void step() {
    const auto planned = scheduler_.plan();
    for (const PageMove& move : scheduler_.take_moves()) model_.move(move);
    std::vector<Sequence*> rows;
    for (const auto& entry : planned) {
      ASSERT_NO_FATAL_FAILURE(model_.compute(entry, chosen_[entry.sequence]));
      owner_of(entry.sequence).num_planned += entry.num_tokens;
      if (entry.wants_logits) rows.push_back(entry.sequence);
    }
    scheduler_.commit(planned);
    for (const auto& [sequence, token] : std::exchange(chosen_, {})) {
      if (sequence->chosen_row < 0) continue;
      // Sometimes no token is possible; the device goes on from one that the answer does not have.
      const bool possible = draw(50) != 0;
      const int64_t before = sequence->num_computed;
      if (!possible) sequence->forget_last();
      owner_of(sequence).num_dropped += before - sequence->num_computed;
      sequence->append(possible ? token : 90);
      if (!possible || take_back(sequence)) std::erase(rows, sequence);
      if (!sequence->is_full()) continue;
      std::erase(rows, sequence);
      end(sequence);
    }
    for (Sequence* sequence : rows) {
      const auto token = static_cast<int32_t>(draw(2));
      if (GetParam().ahead) {
        sequence->append_unknown(0);
        chosen_[sequence] = token;
      } else {
        sequence->append(token);
        if (!take_back(sequence) && sequence->is_full()) end(sequence);
      }
    }
    pool_.check_integrity();
  }

  std::mt19937 random_{GetParam().seed};
  std::vector<std::vector<int32_t>> histories_[2] = {{{}}, {{}}};
  std::vector<Conversation> running_;
  std::map<Sequence*, int32_t> chosen_;
  int num_ended_ = 0;
  int64_t num_cached_ = 0;
  int num_preempted_ = 0;
  int num_taken_back_ = 0;
};

TEST_P(RandomConversations, NeverFindAPageOfOtherTokens) {
  int num_added = 0;
  while (num_added < 600 || !running_.empty()) {
    if (num_added < 600 && running_.size() < 8 && draw(10) == 0) {
      add_one();
      ++num_added;
    }
    if (!running_.empty() && draw(100) == 0) end(running_[draw(running_.size())].sequence.get());
    ASSERT_NO_FATAL_FAILURE(step());
    if (draw(20) != 0) continue;
    prefixes_.check_integrity();
    below_.check_integrity();
  }

  EXPECT_EQ(num_ended_, 600);
  EXPECT_GT(num_cached_, 10000);
  EXPECT_GT(num_preempted_, 0);
  EXPECT_GT(num_taken_back_, 1000);
  EXPECT_EQ(pool_.num_free(), 12);
  EXPECT_EQ(model_.num_restored() > 0, GetParam().num_places > 0);
}

INSTANTIATE_TEST_SUITE_P(
    Seeds, RandomConversations,
    testing::Values(
        Setting{1, false}, Setting{2, false}, Setting{3, false}, Setting{4, true}, Setting{5, true},
        Setting{6, true}, Setting{7, false, 40}, Setting{8, true, 40}, Setting{9, false, 3},
        Setting{10, true, 3, true}, Setting{11, false, 40, true}
    )
);

}  // namespace
}  // namespace trellis
