#include "apps/trellis/progress_bar.h"

#include <gtest/gtest.h>

#include <limits>

namespace trellis {
namespace {

TEST(FormatDuration, ShowsWhatAReaderNeeds) {
  EXPECT_EQ(format_duration(0.04), "0.0 s");
  EXPECT_EQ(format_duration(9.94), "9.9 s");
  EXPECT_EQ(format_duration(9.96), "10 s");
  EXPECT_EQ(format_duration(59.4), "59 s");
  EXPECT_EQ(format_duration(187), "3:07");
  EXPECT_EQ(format_duration(7387), "2:03:07");
}

TEST(FormatDuration, ShowsAQuestionMarkForWhatIsNoDuration) {
  EXPECT_EQ(format_duration(-1), "?");
  EXPECT_EQ(format_duration(std::numeric_limits<double>::infinity()), "?");
  EXPECT_EQ(format_duration(std::numeric_limits<double>::quiet_NaN()), "?");
}

TEST(FormatQuantity, UsesBinaryPrefixesForBytes) {
  EXPECT_EQ(format_quantity(0, "B"), "0 B");
  EXPECT_EQ(format_quantity(1023, "B"), "1023 B");
  EXPECT_EQ(format_quantity(1536, "B"), "1.5 KiB");
  EXPECT_EQ(format_quantity(3.25 * 1024 * 1024 * 1024, "B"), "3.2 GiB");
}

TEST(FormatQuantity, UsesDecimalPrefixesForCounts) {
  EXPECT_EQ(format_quantity(7, "rows"), "7 rows");
  EXPECT_EQ(format_quantity(2.5, "rows"), "2.5 rows");
  EXPECT_EQ(format_quantity(1500000, "weights"), "1.5 M weights");
  EXPECT_EQ(format_quantity(12, ""), "12");
}

TEST(FormatProgress, ShowsBarPercentageRateAndTimeLeft) {
  const ProgressState state{"Scoring", "tokens", 500, 2000, 50};

  EXPECT_EQ(
      format_progress(state, 80),
      "Scoring [#######.......................]  25%  50 tokens/s  30 s left"
  );
}

TEST(FormatProgress, LeavesOutTheRateAtTheBeginning) {
  EXPECT_EQ(
      format_progress({"Loading", "B", 0, 100, 0}, 80),
      "Loading [..............................]   0%"
  );
}

TEST(FormatProgress, ShowsOnlyWhatIsKnownWithoutATotal) {
  EXPECT_EQ(format_progress({"Loading", "B", 2048, 0, 1024}, 80), "Loading  2.0 KiB  1.0 KiB/s");
}

TEST(FormatProgress, NeverExceedsTheColumns) {
  const ProgressState state{"Quantizing model.layers.0", "weights", 123456, 999999, 2345};

  for (int columns = 1; columns < 120; ++columns) {
    EXPECT_LE(format_progress(state, columns).size(), static_cast<size_t>(columns));
  }
}

TEST(FormatProgress, StaysWithinBoundsWhenMoreIsDoneThanExpected) {
  EXPECT_EQ(
      format_progress({"Loading", "B", 300, 100, 0}, 80),
      "Loading [##############################] 100%"
  );
}

}  // namespace
}  // namespace trellis
