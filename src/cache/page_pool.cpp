#include "cache/page_pool.h"

#include "base/error.h"

namespace trellis {

PagePool::PagePool(int num_pages) : owners_(static_cast<size_t>(num_pages), 0) {
  free_.reserve(owners_.size());
  for (PageId page = num_pages - 1; page >= 0; --page) free_.push_back(page);
}

std::optional<PageId> PagePool::acquire() {
  if (free_.empty()) return std::nullopt;
  const PageId page = free_.back();
  free_.pop_back();
  owners_[static_cast<size_t>(page)] = 1;
  return page;
}

void PagePool::retain(PageId page) {
  TRELLIS_CHECK(page >= 0 && page < num_pages(), "a page of this pool");
  TRELLIS_CHECK(owners_[static_cast<size_t>(page)] > 0, "only a page in use can be shared");
  ++owners_[static_cast<size_t>(page)];
}

void PagePool::release(PageId page) {
  TRELLIS_CHECK(page >= 0 && page < num_pages(), "a page of this pool");
  TRELLIS_CHECK(owners_[static_cast<size_t>(page)] > 0, "a page is released once per owner");
  if (--owners_[static_cast<size_t>(page)] == 0) free_.push_back(page);
}

void PagePool::check_integrity() const {
  std::vector<bool> is_free(owners_.size(), false);
  for (const PageId page : free_) {
    TRELLIS_CHECK(page >= 0 && page < num_pages(), "free pages belong to the pool");
    TRELLIS_CHECK(!is_free[static_cast<size_t>(page)], "a page is free only once");
    is_free[static_cast<size_t>(page)] = true;
  }
  for (size_t page = 0; page < owners_.size(); ++page) {
    TRELLIS_CHECK(owners_[page] >= 0, "owners are counted from zero");
    TRELLIS_CHECK_EQ(is_free[page], owners_[page] == 0, "a page is free or owned");
  }
}

}  // namespace trellis
