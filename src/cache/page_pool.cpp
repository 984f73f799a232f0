#include "cache/page_pool.h"

#include "base/error.h"

namespace trellis {

PagePool::PagePool(int num_pages)
    : owners_(static_cast<size_t>(num_pages), 0), is_kept_(owners_.size(), false) {
  free_.reserve(owners_.size());
  for (PageId page = num_pages - 1; page >= 0; --page) free_.push_back(page);
}

std::optional<PageId> PagePool::acquire() {
  if (num_free() == 0) return std::nullopt;
  if (free_.empty()) forget(evict_());
  const PageId page = free_.back();
  free_.pop_back();
  owners_[static_cast<size_t>(page)] = 1;
  return page;
}

void PagePool::retain(PageId page) {
  TRELLIS_CHECK(page >= 0 && page < num_pages(), "a page of this pool");
  const auto index = static_cast<size_t>(page);
  TRELLIS_CHECK(owners_[index] > 0 || is_kept_[index], "only a page in use or kept can be shared");
  if (owners_[index]++ == 0) --num_idle_;
}

void PagePool::release(PageId page) {
  TRELLIS_CHECK(page >= 0 && page < num_pages(), "a page of this pool");
  const auto index = static_cast<size_t>(page);
  TRELLIS_CHECK(owners_[index] > 0, "a page is released once per owner");
  if (--owners_[index] > 0) return;
  if (is_kept_[index]) {
    ++num_idle_;
  } else {
    free_.push_back(page);
  }
}

void PagePool::keep(PageId page) {
  TRELLIS_CHECK(page >= 0 && page < num_pages(), "a page of this pool");
  const auto index = static_cast<size_t>(page);
  TRELLIS_CHECK(owners_[index] > 0 && !is_kept_[index], "a page in use is kept once");
  is_kept_[index] = true;
}

void PagePool::forget(PageId page) {
  TRELLIS_CHECK(page >= 0 && page < num_pages(), "a page of this pool");
  const auto index = static_cast<size_t>(page);
  TRELLIS_CHECK(is_kept_[index], "only a page that is kept is forgotten");
  is_kept_[index] = false;
  if (owners_[index] > 0) return;
  --num_idle_;
  free_.push_back(page);
}

bool PagePool::is_idle(PageId page) const {
  const auto index = static_cast<size_t>(page);
  return is_kept_[index] && owners_[index] == 0;
}

void PagePool::check_integrity() const {
  std::vector<bool> is_free(owners_.size(), false);
  for (const PageId page : free_) {
    TRELLIS_CHECK(page >= 0 && page < num_pages(), "free pages belong to the pool");
    TRELLIS_CHECK(!is_free[static_cast<size_t>(page)], "a page is free only once");
    is_free[static_cast<size_t>(page)] = true;
  }
  int num_idle = 0;
  for (size_t page = 0; page < owners_.size(); ++page) {
    TRELLIS_CHECK(owners_[page] >= 0, "owners are counted from zero");
    const bool idle = is_idle(static_cast<PageId>(page));
    num_idle += idle ? 1 : 0;
    TRELLIS_CHECK_EQ(is_free[page], owners_[page] == 0 && !idle, "a page is free, idle or owned");
  }
  TRELLIS_CHECK_EQ(num_idle, num_idle_, "idle pages are counted");
}

}  // namespace trellis
