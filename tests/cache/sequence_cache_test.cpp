#include "cache/sequence_cache.h"

#include "base/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trellis {
namespace {

TEST(SequenceCache, TakesOnePagePerStartedSpanOfPositions) {
  PagePool pool(4);
  SequenceCache cache(pool);

  EXPECT_TRUE(cache.reserve(1));
  EXPECT_EQ(cache.pages().size(), 1u);
  EXPECT_TRUE(cache.reserve(kPageTokens));
  EXPECT_EQ(cache.pages().size(), 1u);
  EXPECT_TRUE(cache.reserve(kPageTokens + 1));
  EXPECT_EQ(cache.pages().size(), 2u);
  EXPECT_EQ(cache.capacity(), 2 * kPageTokens);
}

TEST(SequenceCache, StaysAsItWasWhenThePoolHasTooFewPages) {
  PagePool pool(2);
  SequenceCache cache(pool);
  ASSERT_TRUE(cache.reserve(10));

  EXPECT_FALSE(cache.reserve(3 * kPageTokens));

  EXPECT_EQ(cache.pages().size(), 1u);
  EXPECT_EQ(pool.num_free(), 1);
}

TEST(SequenceCache, MapsPositionsToSlotsOfItsPages) {
  PagePool pool(4);
  SequenceCache other(pool);
  ASSERT_TRUE(other.reserve(1));  // takes page 0
  SequenceCache cache(pool);
  ASSERT_TRUE(cache.reserve(2 * kPageTokens));

  EXPECT_EQ(cache.slot(0), 1 * kPageTokens);
  EXPECT_EQ(cache.slot(kPageTokens - 1), 2 * kPageTokens - 1);
  EXPECT_EQ(cache.slot(kPageTokens + 5), 2 * kPageTokens + 5);
  EXPECT_THROW(cache.slot(2 * kPageTokens), InternalError);
}

TEST(SequenceCache, GivesPagesBackOnTruncationMoveAndDestruction) {
  PagePool pool(5);
  {
    SequenceCache cache(pool);
    ASSERT_TRUE(cache.reserve(4 * kPageTokens));
    cache.truncate(kPageTokens + 1);
    EXPECT_EQ(pool.num_free(), 3);
    SequenceCache moved(std::move(cache));
    EXPECT_EQ(moved.pages().size(), 2u);
    SequenceCache target(pool);
    ASSERT_TRUE(target.reserve(1));
    target = std::move(moved);
    EXPECT_EQ(pool.num_free(), 3);
  }
  EXPECT_EQ(pool.num_free(), 5);
  pool.check_integrity();
}

}  // namespace
}  // namespace trellis
