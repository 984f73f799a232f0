#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>

namespace trellis {
namespace {

TEST(Result, HoldsAValue) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(3));

  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(static_cast<bool>(result));
  EXPECT_EQ(*result.value(), 3);
  EXPECT_EQ(*std::move(result).value(), 3);
}

TEST(Result, HoldsAnErrorInstead) {
  const Result<int> result(ApiError{404, "not_found", "no such model", "model"});

  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().status, 404);
  EXPECT_EQ(result.error().parameter, "model");
}

TEST(Result, ThrowsWhenAskedForWhatItDoesNotHold) {
  const Result<int> value(1);
  const Result<int> error(ApiError{});

  EXPECT_THROW(static_cast<void>(value.error()), InternalError);
  EXPECT_THROW(static_cast<void>(error.value()), InternalError);
}

}  // namespace
}  // namespace trellis
