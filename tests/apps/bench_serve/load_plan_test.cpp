#include "apps/trellis/bench_serve/load_plan.h"

#include "base/error.h"
#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace trellis {
namespace {

using testing::HasSubstr;

constexpr double kInfinite = std::numeric_limits<double>::infinity();

std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(TokenRange, IsOneNumberOrTwo) {
  EXPECT_EQ(parse_token_range("128", "--x").least, 128);
  EXPECT_EQ(parse_token_range("128", "--x").most, 128);
  EXPECT_EQ(parse_token_range("1:20", "--x").least, 1);
  EXPECT_EQ(parse_token_range("1:20", "--x").most, 20);
}

TEST(TokenRange, RefusesWhatIsNone) {
  for (const char* text :
       {"", "0", "-1", "a", "1:", ":2", "3:2", "1:2:3", "1.5", "99999999999999"}) {
    EXPECT_THAT(
        refusal([text] { parse_token_range(text, "--input-tokens"); }),
        HasSubstr("--input-tokens: expected a number of tokens")
    ) << text;
  }
}

TEST(Arrivals, ComeAllAtOnceWhereTheRateIsInfinite) {
  EXPECT_EQ(arrival_times(3, kInfinite, 1), (std::vector<double>{0, 0, 0}));
}

TEST(Arrivals, AreThoseOfTheSeed) {
  EXPECT_EQ(arrival_times(100, 2, 7), arrival_times(100, 2, 7));
  EXPECT_NE(arrival_times(100, 2, 7), arrival_times(100, 2, 8));
}

/// Of a Poisson process the gaps are exponential: their mean and their deviation are 1 / rate, and
/// a share of 1 - exp(-1) of them is shorter than that.
TEST(Arrivals, AreAPoissonProcess) {
  constexpr int64_t kCount = 20001;
  constexpr double kRate = 4;
  const std::vector<double> times = arrival_times(kCount, kRate, 1);
  std::vector<double> gaps;
  for (size_t i = 1; i < times.size(); ++i) gaps.push_back(times[i] - times[i - 1]);

  const auto count = static_cast<double>(gaps.size());
  const double mean = times.back() / count;
  double square = 0;
  for (const double gap : gaps) square += (gap - mean) * (gap - mean);
  const auto short_gaps =
      std::count_if(gaps.begin(), gaps.end(), [](double gap) { return gap < 1 / kRate; });

  EXPECT_EQ(times.front(), 0);
  EXPECT_TRUE(std::is_sorted(times.begin(), times.end()));
  // Five deviations of each estimate.
  EXPECT_NEAR(mean, 1 / kRate, 5 / kRate / std::sqrt(count));
  EXPECT_NEAR(std::sqrt(square / count), 1 / kRate, 5 / kRate * std::sqrt(2 / count));
  EXPECT_NEAR(
      static_cast<double>(short_gaps) / count, 1 - std::exp(-1), 5 * 0.5 / std::sqrt(count)
  );
}

TEST(SyntheticPlan, HasPromptsOfExactlyTheLengthsDrawn) {
  const std::vector<int32_t> vocabulary = {5, 6, 7, 8};
  const std::vector<double> arrivals(200, 1.5);

  const auto plan = plan_synthetic(arrivals, vocabulary, {3, 5}, {2, 2}, {"m", 9});

  ASSERT_EQ(plan.size(), 200U);
  std::set<size_t> lengths;
  for (const PlannedRequest& request : plan) {
    const Json body = Json::parse(request.body);
    EXPECT_EQ(request.path, "/v1/completions");
    EXPECT_EQ(request.arrival_s, 1.5);
    EXPECT_EQ(body["max_tokens"], 2);
    EXPECT_EQ(body["ignore_eos"], true);
    EXPECT_EQ(body["model"], "m");
    lengths.insert(body["prompt"].size());
    for (const int32_t id : body["prompt"].get<std::vector<int32_t>>()) {
      EXPECT_THAT(vocabulary, testing::Contains(id));
    }
  }
  EXPECT_EQ(lengths, (std::set<size_t>{3, 4, 5}));
  EXPECT_EQ(Json::parse(plan[0].body)["seed"], 9);
  EXPECT_EQ(Json::parse(plan[1].body)["seed"], 10);
}

TEST(SyntheticPlan, IsThatOfTheSeed) {
  const std::vector<double> arrivals(3, 0.0);
  const auto body = [&](uint64_t seed) {
    return plan_synthetic(arrivals, {1, 2, 3}, {9, 9}, {1, 9}, {"", seed})[2].body;
  };

  EXPECT_EQ(body(1), body(1));
  EXPECT_NE(body(1), body(2));
  EXPECT_FALSE(Json::parse(body(1)).contains("model"));
}

TEST(DatasetPlan, TakesLinesInTurn) {
  const std::string text =
      "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}\n\n{\"prompt\": \"Once\"}\r\n";

  const auto plan = plan_dataset({0, 1, 2}, text, "d.jsonl", {}, {"", 0});

  ASSERT_EQ(plan.size(), 3U);
  EXPECT_EQ(plan[0].path, "/v1/chat/completions");
  EXPECT_EQ(Json::parse(plan[0].body)["messages"][0]["content"], "hi");
  EXPECT_FALSE(Json::parse(plan[0].body).contains("max_tokens"));
  EXPECT_EQ(plan[1].path, "/v1/completions");
  EXPECT_EQ(Json::parse(plan[1].body)["prompt"], "Once");
  EXPECT_EQ(Json::parse(plan[1].body)["stream"], true);
  EXPECT_EQ(Json::parse(plan[2].body)["messages"], Json::parse(plan[0].body)["messages"]);
  EXPECT_EQ(plan[2].arrival_s, 2);
}

TEST(DatasetPlan, LimitsAnswersWhereThatIsAskedFor) {
  const auto plan = plan_dataset({0}, "{\"prompt\": \"a\"}", "d", {6, 6}, {"", 0});
  EXPECT_EQ(Json::parse(plan[0].body)["max_tokens"], 6);
}

TEST(DatasetPlan, ErrorsNameTheLine) {
  const auto error = [](const std::string& text) {
    return refusal([&text] { plan_dataset({0}, text, "d.jsonl", {}, {"", 0}); });
  };

  EXPECT_THAT(error("{\"prompt\": \"a\"}\n{\"prompt\": "), HasSubstr("d.jsonl:2: not valid JSON"));
  EXPECT_THAT(
      error("{\"prompt\": 3}"), HasSubstr("d.jsonl:1: expected an object with \"messages\"")
  );
  EXPECT_THAT(error("[]"), HasSubstr("d.jsonl:1: expected an object"));
  EXPECT_THAT(error(" \n"), HasSubstr("d.jsonl: expected one JSON object a line"));
}

}  // namespace
}  // namespace trellis
