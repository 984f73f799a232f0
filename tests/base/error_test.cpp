#include "base/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trellis {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(UserError, FormatsItsMessage) {
  EXPECT_STREQ(UserError("{}: {} bytes", "a.bin", 3).what(), "a.bin: 3 bytes");
}

TEST(UserError, TakesAReadyMessageAsItIs) {
  EXPECT_STREQ(UserError(std::string("{not a format}")).what(), "{not a format}");
}

TEST(TrellisCheck, SaysNothingWhenTheConditionHolds) {
  EXPECT_NO_THROW(TRELLIS_CHECK(true, "fine"));
  EXPECT_NO_THROW(TRELLIS_CHECK_EQ(2, 2, "fine"));
}

TEST(TrellisCheck, ShowsPlaceConditionAndValues) {
  EXPECT_THAT(
      [] { TRELLIS_CHECK_EQ(1 + 1, 3, "sizes"); },
      ThrowsMessage<InternalError>(
          AllOf(HasSubstr("error_test.cpp"), HasSubstr("1 + 1 == 3"), HasSubstr("sizes (2 and 3)"))
      )
  );
  EXPECT_THAT(
      [] { TRELLIS_CHECK(1 > 2, "order"); },
      ThrowsMessage<InternalError>(AllOf(HasSubstr("1 > 2"), HasSubstr("order")))
  );
}

}  // namespace
}  // namespace trellis
