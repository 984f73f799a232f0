// A step that is replayed computes what the same step computes when its ops are issued one by one:
// the same bits, whatever was in the arrays when it was recorded. On every backend, on a small
// trained model.
#include "engine/model_runner.h"

#include "backend/backends_under_test.h"
#include "cache/page_pool.h"
#include "checkpoint/checkpoint.h"
#include "engine/counting_backend.h"

#include <gtest/gtest.h>

#include <array>

namespace trellis::test {
namespace {

constexpr const char* kTinyModel = TRELLIS_SOURCE_DIR "/tests/data/models/tiny-1m";
constexpr int kPages = 24;

/// A chunk of a sequence: its tokens are those of made_up_tokens().
struct Chunk {
  int sequence = 0;
  int64_t first_position = 0;
  int64_t num_tokens = 1;
  int num_logits = 1;
};

class ModelRunnerTest : public testing::TestWithParam<BackendUnderTest> {
 protected:
  static constexpr int kSequences = 4;
  static constexpr int64_t kSequenceTokens = 3 * kPageTokens;

  ModelRunnerTest()
      : backend_(GetParam().make()),
        model_(load_model(Checkpoint(kTinyModel), read_model_config(kTinyModel), backend_)),
        cache_(backend_, model_->cache_spec(same_kv_types(KvType::kFloat16)), kPages),
        pool_(kPages),
        runner_(*model_, backend_, cache_) {
    for (int i = 0; i < 2 * kSequences; ++i) {
      EXPECT_TRUE(sequences_.emplace_back(pool_).reserve(kSequenceTokens));
    }
    for (int32_t i = 0; i < kSequenceTokens; ++i) tokens_.push_back((i * 37 + 11) % 1000);
  }

  /// Copies of the chunks: with the sequences [first_sequence, first_sequence + kSequences).
  Step step(const std::vector<Chunk>& chunks, int first_sequence) const {
    Step step;
    for (const Chunk& chunk : chunks) {
      step.entries.push_back(
          {&sequences_[static_cast<size_t>(first_sequence + chunk.sequence)], chunk.first_position,
           std::span(tokens_).subspan(
               static_cast<size_t>(chunk.first_position + chunk.sequence),
               static_cast<size_t>(chunk.num_tokens)
           ),
           chunk.num_logits}
      );
    }
    return step;
  }

  /// Runs the chunks on the runner under test, and on a new one, which has no recordings, with
  /// other sequences. What no chunk has written before is zero for both.
  void expect_the_bits_of_a_new_runner(const std::vector<Chunk>& chunks) {
    const std::span<const float> logits = runner_.run(step(chunks, 0));
    const int recorded = backend_.num_recorded();
    ModelRunner new_runner(*model_, backend_, cache_);
    const std::span<const float> expected = new_runner.run(step(chunks, kSequences));
    EXPECT_EQ(backend_.num_recorded(), recorded);
    EXPECT_TRUE(std::isfinite(expected[0]));
    EXPECT_TRUE(std::equal(logits.begin(), logits.end(), expected.begin(), expected.end()));
  }

  CountingBackend backend_;
  std::unique_ptr<Model> model_;
  CacheStorage cache_;
  PagePool pool_;
  std::vector<SequenceCache> sequences_;
  std::vector<int32_t> tokens_;
  ModelRunner runner_;
};

TEST_P(ModelRunnerTest, ReplaysSingleTokensAsAContextGrowsOverItsBounds) {
  expect_the_bits_of_a_new_runner({{0, 245, 7}});

  for (int64_t position = 252; position < 260; ++position) {
    SCOPED_TRACE(position);
    expect_the_bits_of_a_new_runner({{0, position}});
  }

  // One of up to 256 positions, the other of up to 512; each was issued op by op once.
  EXPECT_EQ(backend_.num_recorded(), 2);
  EXPECT_EQ(backend_.num_replayed(), 3 + 3);
}

TEST_P(ModelRunnerTest, ReplaysABatchThatIsCutInAnotherWay) {
  expect_the_bits_of_a_new_runner({{0, 0, 5, 2}, {1, 0, 1, 1}});
  expect_the_bits_of_a_new_runner({{1, 1, 2, 1}, {0, 5, 4, 2}});
  expect_the_bits_of_a_new_runner({{2, 200, 1, 0}, {3, 40, 5, 3}});

  EXPECT_EQ(backend_.num_recorded(), 1);
  EXPECT_EQ(backend_.num_replayed(), 2);
}

TEST_P(ModelRunnerTest, RecordsAnewWhenItsArraysHaveMoved) {
  const std::vector<Chunk> one = {{0, 3}};
  const std::vector<Chunk> four = {{0, 4}, {1, 0}, {2, 100}, {3, 255}};
  for (int i = 0; i < 3; ++i) expect_the_bits_of_a_new_runner(one);
  for (int i = 0; i < 3; ++i) expect_the_bits_of_a_new_runner(four);
  for (int i = 0; i < 3; ++i) expect_the_bits_of_a_new_runner(one);

  EXPECT_EQ(backend_.num_recorded(), 3);
}

TEST_P(ModelRunnerTest, GivesTheLogitsOfHiddenStates) {
  Step step = this->step({{1, 0, 3, 0}, {0, 0, 9, 9}}, 0);
  step.entries[1].num_states = 9;
  const std::span<const float> logits = runner_.run(step);
  const std::vector<float> expected(logits.begin(), logits.end());

  const std::span<const float> found = runner_.state_logits(0, 9);

  EXPECT_TRUE(std::equal(found.begin(), found.end(), expected.begin(), expected.end()));
}

TEST_P(ModelRunnerTest, ReplaysStepsWhoseHiddenStatesAreWanted) {
  for (int64_t position = 0; position < 12; position += 3) {
    Step step = this->step({{0, position, 3, 1}, {1, position, 3, 0}}, 0);
    Step same = this->step({{0, position, 3, 1}, {1, position, 3, 0}}, kSequences);
    for (Step* each : {&step, &same}) {
      each->entries[0].num_states = 1;
      each->entries[1].first_state = 1;
      each->entries[1].num_states = 2;
    }
    ModelRunner new_runner(*model_, backend_, cache_);
    new_runner.compute(same);
    const std::span<const float> once = new_runner.normalized_states(0, 3);
    const std::vector<float> expected(once.begin(), once.end());

    runner_.compute(step);

    const std::span<const float> states = runner_.normalized_states(0, 3);
    EXPECT_TRUE(std::equal(states.begin(), states.end(), expected.begin(), expected.end()));
  }
  EXPECT_EQ(backend_.num_recorded(), 1);
  EXPECT_EQ(backend_.num_replayed(), 3);
}

TEST_P(ModelRunnerTest, DoesNotRecordPrompts) {
  for (int i = 0; i < 3; ++i) expect_the_bits_of_a_new_runner({{0, 0, 9}});

  EXPECT_EQ(backend_.num_recorded(), 0);
}

INSTANTIATE_TEST_SUITE_P(
    Backends, ModelRunnerTest, testing::ValuesIn(all_backends()),
    [](const testing::TestParamInfo<BackendUnderTest>& info) { return name_of(info.param); }
);

}  // namespace
}  // namespace trellis::test
