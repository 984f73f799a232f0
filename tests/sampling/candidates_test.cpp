// The fast ways over a whole vocabulary, against the plain ones.
#include "sampling/candidates.h"

#include "backend/random_data.h"
#include "backend/token_choice.h"
#include "base/philox.h"
#include "sampling/sampler.h"
#include "sampling/weight_sum.h"

#include <gtest/gtest.h>

#include <cmath>
#include <tuple>

namespace trellis {
namespace {

/// Vocabularies that fill whole vectors and that do not, flat and steep, with ties and with
/// impossible tokens.
class Vocabulary : public testing::TestWithParam<std::tuple<int64_t, float>> {
 protected:
  Vocabulary() : logits_(test::RandomData(7).normals(std::get<0>(GetParam()))) {
    for (size_t i = 0; i < logits_.size(); ++i) {
      // Steps of 1/64: several tokens of a large vocabulary share each.
      logits_[i] = std::round(logits_[i] * std::get<1>(GetParam()) * 64) / 64;
      if (i % 11 == 5) logits_[i] = -INFINITY;
    }
    candidates_.assign(logits_);
  }

  std::vector<float> logits_;
  Candidates candidates_;
};

TEST_P(Vocabulary, SortsTheFrontAsAFullSortDoes) {
  std::vector<Candidate> sorted = candidates_.items();
  std::sort(sorted.begin(), sorted.end(), more_probable);

  for (const size_t count : {1, 2, 40, 500, 100000}) {
    Candidates candidates;
    candidates.assign(logits_);
    candidates.sort_front(count);
    ASSERT_EQ(candidates.size(), sorted.size());
    for (size_t i = 0; i < std::min(count, sorted.size()); ++i) {
      ASSERT_EQ(candidates.items()[i].id, sorted[i].id) << count << " " << i;
    }
  }
}

TEST_P(Vocabulary, FindsTheLargestLogit) {
  EXPECT_EQ(candidates_.max_logit(), *std::max_element(logits_.begin(), logits_.end()));
}

TEST_P(Vocabulary, SumsExponentials) {
  const float best = candidates_.max_logit();
  double expected = 0.0;
  for (const float logit : logits_) expected += std::exp(static_cast<double>(logit) - best);

  const double sum = static_cast<double>(weight_sum(candidates_, best)) / kWeightOne;
  EXPECT_NEAR(sum, expected, 3e-7 * expected);
}

TEST_P(Vocabulary, ChoosesGreedilyTheFirstOfTheLargest) {
  SamplingParams params;
  params.temperature = 0.0f;
  Sampler sampler(params, static_cast<int64_t>(logits_.size()), {});

  const auto largest = std::max_element(logits_.begin(), logits_.end());
  EXPECT_EQ(sampler.sample({logits_, {}}), largest - logits_.begin());
}

TEST_P(Vocabulary, DrawsTheTokenWhoseLogitAndNoiseAreLargest) {
  SamplingParams params;
  params.seed = 0x123456789ABCDEF;
  Sampler sampler(params, static_cast<int64_t>(logits_.size()), {});

  for (uint32_t position = 0; position < 20; ++position) {
    int32_t expected = -1;
    double best = -INFINITY;
    for (size_t id = 0; id < logits_.size(); ++id) {
      const auto bits =
          philox4x32({static_cast<uint32_t>(id / 4), position, 0, 0}, {0x89ABCDEF, 0x01234567});
      const double uniform = (bits[id % 4] + 0.5) / 4294967296.0;
      const double value = logits_[id] - std::log(-std::log(uniform));
      if (value <= best) continue;
      best = value;
      expected = static_cast<int32_t>(id);
    }
    const int32_t token = sampler.sample({logits_, {}});
    ASSERT_EQ(token, expected) << position;
    sampler.accept(token);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Sampling, Vocabulary,
    testing::Combine(testing::Values(1, 15, 16, 1003, 40000), testing::Values(0.01f, 1.0f, 12.0f))
);

TEST(Candidates, TakeNanForImpossible) {
  Candidates candidates;
  candidates.assign(std::vector<float>{NAN, 1.0f, -INFINITY});

  EXPECT_EQ(candidates.items()[0].logit, -INFINITY);
  EXPECT_EQ(candidates.max_logit(), 1.0f);
}

TEST(Candidates, GreedyChoiceSkipsNan) {
  SamplingParams params;
  params.temperature = 0.0f;
  Sampler sampler(params, 4, {});

  EXPECT_EQ(sampler.sample({std::vector<float>{NAN, -3.0f, -2.0f, NAN}, {}}), 2);
  EXPECT_EQ(sampler.sample({std::vector<float>{NAN, -INFINITY, NAN, NAN}, {}}), 0);
}

}  // namespace
}  // namespace trellis
