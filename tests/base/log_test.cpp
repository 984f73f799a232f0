#include "base/log.h"

#include "base/error_matchers.h"

#include <gtest/gtest.h>

namespace trellis {
namespace {

TEST(ConfigureLog, SetsTheLevel) {
  configure_log("warn");
  EXPECT_EQ(spdlog::default_logger()->level(), spdlog::level::warn);

  configure_log("off");
  EXPECT_EQ(spdlog::default_logger()->level(), spdlog::level::off);
}

TEST(ConfigureLog, RefusesAnUnknownLevel) {
  EXPECT_USER_ERROR(configure_log("loud"), ::testing::HasSubstr("\"loud\" is unknown"));
}

}  // namespace
}  // namespace trellis
