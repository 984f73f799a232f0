#include "cache/prefix_cache.h"

#include "backend/args.h"
#include "base/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace trellis {
namespace {

/// A page's worth of tokens from `first` on.
std::vector<int32_t> tokens_from(int32_t first, size_t count = kPageTokens) {
  std::vector<int32_t> result(count);
  std::iota(result.begin(), result.end(), first);
  return result;
}

class PrefixCacheTest : public testing::Test {
 protected:
  /// A full page behind `parent`, in use until it is released.
  PageId add(const Hash128& parent, const std::vector<int32_t>& tokens) {
    const PageId page = pool_.acquire().value();
    prefixes_.add(page, parent, prefixes_.page_hash(parent, tokens), tokens);
    return page;
  }
  std::optional<PageId> find(const Hash128& parent, const std::vector<int32_t>& tokens) {
    return prefixes_.find(prefixes_.page_hash(parent, tokens), tokens);
  }

  PagePool pool_{4};
  PrefixCache prefixes_{pool_, {1, 2}};
  Hash128 root_ = prefixes_.root("");
};

TEST_F(PrefixCacheTest, FindsAPageByItsTokensAndWhatStandsBeforeThem) {
  const PageId first = add(root_, tokens_from(0));
  const Hash128 behind_first = prefixes_.page_hash(root_, tokens_from(0));
  const PageId second = add(behind_first, tokens_from(5));

  EXPECT_EQ(find(root_, tokens_from(0)), first);
  EXPECT_EQ(find(behind_first, tokens_from(5)), second);
  EXPECT_EQ(find(root_, tokens_from(5)), std::nullopt);
  EXPECT_EQ(find(behind_first, tokens_from(0)), std::nullopt);
  EXPECT_EQ(find(prefixes_.root("other"), tokens_from(0)), std::nullopt);
  prefixes_.check_integrity();
}

TEST_F(PrefixCacheTest, ComparesTokensWhereHashesAreEqual) {
  add(root_, tokens_from(0));

  EXPECT_EQ(
      prefixes_.find(prefixes_.page_hash(root_, tokens_from(0)), tokens_from(1)), std::nullopt
  );
}

TEST_F(PrefixCacheTest, FindsThePageThatBeginsWithMostOfTheTokens) {
  std::vector<int32_t> longer = tokens_from(0);
  longer[200] = -1;
  std::vector<int32_t> shorter = tokens_from(0);
  shorter[100] = -1;
  add(root_, shorter);
  const PageId best = add(root_, longer);

  const PrefixCache::Part part = prefixes_.find_part(root_, tokens_from(0, 250));

  EXPECT_EQ(part.place, best);
  EXPECT_EQ(part.num_tokens, 200);
  EXPECT_EQ(prefixes_.find_part(root_, tokens_from(1)).num_tokens, 0);
  EXPECT_EQ(prefixes_.find_part(prefixes_.root("other"), tokens_from(0)).num_tokens, 0);
}

TEST_F(PrefixCacheTest, KeepsAPartOnlyWhereNoOtherPageBeginsWithIt) {
  const PageId part = pool_.acquire().value();
  const PageId twin = pool_.acquire().value();

  prefixes_.add_part(part, root_, tokens_from(0, 30));
  prefixes_.add_part(twin, root_, tokens_from(0, 20));

  EXPECT_EQ(prefixes_.num_pages(), 1u);
  EXPECT_EQ(prefixes_.find_part(root_, tokens_from(0, 100)).place, part);
  prefixes_.check_integrity();
}

TEST_F(PrefixCacheTest, EvictsTheLeafThatWasNotUsedForLongestAndNoPageInUse) {
  const PageId trunk = add(root_, tokens_from(0));
  const Hash128 behind = prefixes_.page_hash(root_, tokens_from(0));
  const PageId left = add(behind, tokens_from(1));
  const PageId right = add(behind, tokens_from(2));
  const PageId in_use = add(root_, tokens_from(3));
  for (const PageId page : {trunk, left, right}) pool_.release(page);
  find(behind, tokens_from(1));

  EXPECT_EQ(pool_.num_free(), 3);
  EXPECT_EQ(pool_.acquire(), right);
  EXPECT_EQ(pool_.acquire(), left);
  EXPECT_EQ(pool_.acquire(), trunk);
  EXPECT_EQ(pool_.acquire(), std::nullopt);

  EXPECT_EQ(find(root_, tokens_from(0)), std::nullopt);
  EXPECT_EQ(find(root_, tokens_from(3)), in_use);
  pool_.check_integrity();
  prefixes_.check_integrity();
}

TEST_F(PrefixCacheTest, KeepsAnIdlePageThatIsUsedAgain) {
  const PageId page = add(root_, tokens_from(0));
  pool_.release(page);
  pool_.retain(page);

  for (int i = 0; i < 3; ++i) EXPECT_NE(pool_.acquire().value(), page);
  EXPECT_EQ(pool_.acquire(), std::nullopt);
  EXPECT_EQ(find(root_, tokens_from(0)), page);
}

}  // namespace
}  // namespace trellis
