// EXPECT_USER_ERROR: that a statement throws a UserError whose message holds every given part.
#pragma once

#include "base/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace trellis {

/// The message of the UserError that action throws; a failure and "" if it throws none.
template <typename Action>
std::string user_error_of(const Action& action) {
  try {
    action();
  } catch (const UserError& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "not a UserError: " << error.what();
    return "";
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

}  // namespace trellis

#define EXPECT_USER_ERROR(statement, matcher) \
  EXPECT_THAT(::trellis::user_error_of([&] { static_cast<void>(statement); }), matcher)
