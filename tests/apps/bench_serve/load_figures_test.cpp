// Statistics of load tests, on numbers worked out by hand.
#include "apps/trellis/bench_serve/load_figures.h"

#include <gtest/gtest.h>

namespace trellis {
namespace {

TEST(LoadFigures, PercentilesAreInterpolatedBetweenNeighbours) {
  const std::vector<double> values = {10, 20, 30, 40};

  EXPECT_DOUBLE_EQ(percentile(values, 0.0), 10);
  EXPECT_DOUBLE_EQ(percentile(values, 0.5), 25);  // place 1.5
  EXPECT_DOUBLE_EQ(percentile(values, 0.9), 37);  // place 2.7
  EXPECT_DOUBLE_EQ(percentile(values, 1.0), 40);
  EXPECT_DOUBLE_EQ(percentile(std::vector<double>{7}, 0.99), 7);
}

TEST(LoadFigures, DistributionsSortTheirValues) {
  const Distribution values = distribution({4, 1, 3, 2, 5});

  EXPECT_DOUBLE_EQ(values.mean, 3);
  EXPECT_DOUBLE_EQ(values.p50, 3);
  EXPECT_DOUBLE_EQ(values.p90, 4.6);
  EXPECT_DOUBLE_EQ(values.p99, 4.96);
}

TEST(LoadFigures, DistributionOfNothingIsZero) {
  EXPECT_EQ(distribution({}).mean, 0);
  EXPECT_EQ(distribution({}).p99, 0);
}

/// Two that were completed, one that failed, one that was neither.
std::vector<RequestRecord> four_records() {
  RequestRecord quick;
  quick.arrival_s = 1.0;
  quick.sent_s = 1.0;
  quick.text_s = {1.5, 1.75, 2.0};
  quick.end_s = 2.0;
  quick.prompt_tokens = 10;
  quick.output_tokens = 3;
  quick.completed = true;
  RequestRecord waited;  // for the cap: half a second of its latency
  waited.arrival_s = 2.0;
  waited.sent_s = 2.5;
  waited.text_s = {3.0, 4.0};
  waited.end_s = 4.0;
  waited.prompt_tokens = 30;
  waited.output_tokens = 5;  // some pieces held several tokens
  waited.completed = true;
  RequestRecord failed;
  failed.arrival_s = 3.0;
  failed.text_s = {3.5};
  failed.end_s = 5.0;
  failed.output_tokens = 100;
  failed.error = "cut off";
  RequestRecord unfinished;
  unfinished.arrival_s = 4.0;
  return {quick, waited, failed, unfinished};
}

TEST(LoadFigures, LatenciesCountFromTheArrival) {
  const LoadFigures figures = load_figures(four_records());

  EXPECT_DOUBLE_EQ(figures.first_token_s.mean, (0.5 + 1.0) / 2);
  EXPECT_DOUBLE_EQ(figures.end_to_end_s.mean, (1.0 + 2.0) / 2);
  EXPECT_DOUBLE_EQ(figures.end_to_end_s.p90, 1.9);
}

TEST(LoadFigures, GapsAreBetweenPiecesAndTokensByTheirNumber) {
  const LoadFigures figures = load_figures(four_records());

  EXPECT_DOUBLE_EQ(figures.inter_token_s.mean, (0.25 + 0.25 + 1.0) / 3);
  EXPECT_DOUBLE_EQ(figures.inter_token_s.p50, 0.25);
  EXPECT_DOUBLE_EQ(figures.per_token_s.mean, (0.5 / 2 + 1.0 / 4) / 2);
}

TEST(LoadFigures, OnlyWhatWasCompletedCountsAsThroughput) {
  const LoadFigures figures = load_figures(four_records());

  EXPECT_EQ(figures.num_completed, 2);
  EXPECT_EQ(figures.num_failed(), 1);
  EXPECT_EQ(figures.errors.at("cut off"), 1);
  EXPECT_EQ(figures.num_unfinished, 1);
  EXPECT_DOUBLE_EQ(figures.duration_s, 5.0);
  EXPECT_DOUBLE_EQ(figures.requests_per_s(), 2 / 5.0);
  EXPECT_DOUBLE_EQ(figures.output_tokens_per_s(), 8 / 5.0);
  EXPECT_DOUBLE_EQ(figures.prompt_tokens_per_s(), 40 / 5.0);
}

TEST(LoadFigures, NothingIsNoThroughput) {
  EXPECT_EQ(load_figures({}).requests_per_s(), 0);
}

}  // namespace
}  // namespace trellis
