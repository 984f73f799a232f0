#include "cache/page_pool.h"

#include "base/error.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace trellis {
namespace {

TEST(PagePool, HandsOutEveryPageOnceAndThenNone) {
  PagePool pool(3);

  EXPECT_EQ(pool.acquire(), 0);
  EXPECT_EQ(pool.acquire(), 1);
  EXPECT_EQ(pool.acquire(), 2);
  EXPECT_EQ(pool.acquire(), std::nullopt);
  pool.check_integrity();
}

TEST(PagePool, FreesSharedPageOnlyWhenLastOwnerLeaves) {
  PagePool pool(1);
  const PageId page = *pool.acquire();
  pool.retain(page);

  pool.release(page);
  EXPECT_EQ(pool.num_free(), 0);
  pool.release(page);
  EXPECT_EQ(pool.num_free(), 1);
}

TEST(PagePool, RefusesToReleaseOrShareAFreePage) {
  PagePool pool(2);

  EXPECT_THROW(pool.release(0), InternalError);
  EXPECT_THROW(pool.retain(1), InternalError);
  EXPECT_THROW(pool.release(2), InternalError);
}

TEST(PagePool, HandsOutAPageThatIsKeptOnlyWhereNoOtherIsFree) {
  PagePool pool(2);
  const PageId kept = *pool.acquire();
  pool.set_evict([&] { return kept; });
  pool.keep(kept);
  pool.release(kept);

  EXPECT_TRUE(pool.is_idle(kept));
  EXPECT_EQ(pool.num_free(), 2);
  EXPECT_NE(pool.acquire(), kept);
  EXPECT_EQ(pool.acquire(), kept);
  EXPECT_FALSE(pool.is_idle(kept));
  EXPECT_EQ(pool.acquire(), std::nullopt);
  pool.check_integrity();
}

TEST(PagePool, AgreesWithAListOfOwnersUnderRandomUse) {
  constexpr uint32_t kSeed = 7;
  SCOPED_TRACE(kSeed);
  std::mt19937 random(kSeed);
  constexpr int kPages = 6;
  PagePool pool(kPages);
  std::vector<int> owners(kPages, 0);
  std::vector<bool> kept(kPages, false);
  pool.set_evict([&] {
    PageId page = 0;
    while (!pool.is_idle(page)) ++page;
    EXPECT_TRUE(kept[static_cast<size_t>(page)]);
    EXPECT_EQ(owners[static_cast<size_t>(page)], 0);
    kept[static_cast<size_t>(page)] = false;
    return page;
  });

  for (int round = 0; round < 20000; ++round) {
    const auto page = static_cast<PageId>(random() % kPages);
    const auto index = static_cast<size_t>(page);
    switch (random() % 5) {
      case 0: {
        const auto acquired = pool.acquire();
        const bool any_free = std::find(owners.begin(), owners.end(), 0) != owners.end();
        ASSERT_EQ(acquired.has_value(), any_free);
        if (acquired) {
          ASSERT_EQ(owners[static_cast<size_t>(*acquired)]++, 0);
        }
        break;
      }
      case 1:
        if (owners[index] > 0 || kept[index]) {
          pool.retain(page);
          ++owners[index];
        }
        break;
      case 2:
        if (owners[index] > 0 && !kept[index]) {
          pool.keep(page);
          kept[index] = true;
        }
        break;
      default:
        if (owners[index] > 0) {
          pool.release(page);
          --owners[index];
        }
    }
    pool.check_integrity();
    ASSERT_EQ(pool.num_free(), std::count(owners.begin(), owners.end(), 0));
  }
}

}  // namespace
}  // namespace trellis
