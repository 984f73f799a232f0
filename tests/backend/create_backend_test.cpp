// How a backend is made by name.
#include "backend/backend.h"
#include "base/error_matchers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trellis::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(CreateBackend, HasNoSecondDeviceWithoutGpus) {
  BackendOptions second;
  second.device = 1;
  EXPECT_USER_ERROR(create_backend("cpu", second), testing::HasSubstr("no device 1"));
  EXPECT_USER_ERROR(create_backend("auto", second), testing::HasSubstr("CUDA"));
}

TEST(CreateBackend, KnowsEveryName) {
  EXPECT_EQ(create_backend("cpu", {})->name(), "cpu");
  EXPECT_EQ(create_backend("reference", {})->name(), "reference");
  EXPECT_EQ(create_backend("auto", {})->name(), "cpu");
}

TEST(CreateBackend, RefusesOtherNamesAndListsItsOwn) {
  EXPECT_THAT(
      [] { create_backend("gpu", {}); },
      ThrowsMessage<UserError>(AllOf(HasSubstr("\"gpu\""), HasSubstr("auto, cuda, cpu, reference")))
  );
}

TEST(CreateBackend, TakesTheThreadsThatItIsGiven) {
  EXPECT_EQ(create_backend("cpu", {3})->num_threads(), 3);
  EXPECT_GE(create_backend("cpu", {})->num_threads(), 1);
}

}  // namespace
}  // namespace trellis::test
