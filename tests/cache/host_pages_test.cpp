#include "cache/host_pages.h"

#include "cache/page_contents.h"

#include <gtest/gtest.h>

#include <optional>

namespace trellis {
namespace {

class HostPagesTest : public testing::Test {
 protected:
  std::optional<int> add(const PageContent& content) {
    const auto place = pages_.add(content);
    if (place) pages_.release(*place);
    return place;
  }
  std::optional<int> find(int32_t first) {
    return pages_.find({static_cast<uint64_t>(first)}, full_page(first).tokens);
  }

  HostPages pages_{3};
};

TEST_F(HostPagesTest, FindsPagesAndPartsByTheirTokens) {
  const auto place = add(full_page(5));
  const auto other = add(part_of_page(900, 40));

  EXPECT_EQ(find(5), place);
  EXPECT_EQ(find(6), std::nullopt);
  const HostPages::Part found = pages_.find_part(kRoot, part_of_page(900, 70).tokens);
  EXPECT_EQ(found.place, other);
  EXPECT_EQ(found.num_tokens, 40);
  pages_.check_integrity();
}

TEST_F(HostPagesTest, KeepsWhatItKnowsOnce) {
  add(full_page(5));
  add(part_of_page(900, 40));

  EXPECT_EQ(add(full_page(5)), std::nullopt);
  EXPECT_EQ(add(part_of_page(900, 30)), std::nullopt);
  EXPECT_EQ(pages_.num_pages(), 2u);
}

TEST_F(HostPagesTest, GivesUpTheOldestLeafThatNobodyHolds) {
  const auto trunk = add(full_page(1));
  const auto leaf = add(full_page(2, {1}));
  const auto held = pages_.add(full_page(3));

  EXPECT_EQ(add(full_page(4)), leaf);
  EXPECT_EQ(find(2), std::nullopt);
  EXPECT_EQ(add(full_page(5)), trunk);
  EXPECT_EQ(find(3), held);
  pages_.check_integrity();
}

TEST_F(HostPagesTest, TakesNothingInWhereAllIsHeld) {
  for (int32_t i = 0; i < 3; ++i) pages_.add(full_page(i));

  EXPECT_EQ(add(full_page(9)), std::nullopt);
  pages_.release(1);
  EXPECT_EQ(add(full_page(9)), 1);
  pages_.check_integrity();
}

TEST_F(HostPagesTest, FreesAPlaceThatWasTakenInVain) {
  const int place = pages_.take().value();
  pages_.check_integrity();
  pages_.release(place);
  EXPECT_EQ(pages_.num_pages(), 0u);
  pages_.check_integrity();

  add(full_page(5));
  const int late = pages_.take().value();
  EXPECT_FALSE(pages_.fill(late, full_page(5)));
  EXPECT_TRUE(pages_.fill(late, full_page(6)));
  pages_.release(late);
  EXPECT_EQ(find(6), late);
  pages_.check_integrity();
}

}  // namespace
}  // namespace trellis
