#include "base/portable_math.h"

#include <gtest/gtest.h>

#include <cmath>

namespace trellis {
namespace {

TEST(PortableMath, ExponentialIsRightToAFewUnitsOfTheLastPlace) {
  for (float x = 0.0f; x > -28.0f; x -= 0.000913f) {
    const double exact = std::exp(static_cast<double>(x));
    ASSERT_NEAR(exp_not_positive(x), exact, 2e-6 * exact) << x;
  }
  for (float x = 0.0f; x > -2.0f; x -= 0.0000913f) {
    const double exact = std::exp(static_cast<double>(x));
    ASSERT_NEAR(exp_not_positive(x), exact, 3e-7 * exact) << x;
  }
}

TEST(PortableMath, ExponentialIsExactAtZeroAndStaysNormal) {
  EXPECT_EQ(exp_not_positive(0.0f), 1.0f);
  EXPECT_EQ(exp_not_positive(-1000.0f), std::ldexp(1.0f, -126));
  EXPECT_EQ(exp_not_positive(-INFINITY), std::ldexp(1.0f, -126));
}

TEST(PortableMath, LogarithmIsRightOverAllExponents) {
  for (float x = 1e-37f; x < 1e37f; x *= 1.0137f) {
    const double exact = std::log(static_cast<double>(x));
    ASSERT_NEAR(log_positive(x), exact, 2e-7 * std::fmax(1.0, std::fabs(exact))) << x;
  }
  EXPECT_EQ(log_positive(1.0f), 0.0f);
}

TEST(PortableMath, LogarithmNearOneKeepsItsRelativePrecision) {
  for (float x = 1e-10f; x < 0.29f; x *= 1.037f) {
    for (const float signed_x : {x, -x}) {
      const double exact = std::log1p(static_cast<double>(signed_x));
      ASSERT_NEAR(log1p_near_zero(signed_x), exact, 3e-7 * std::fabs(exact)) << signed_x;
    }
  }
}

}  // namespace
}  // namespace trellis
