#include "cache/sequence_cache.h"

#include "base/error.h"

#include <algorithm>

namespace trellis {
namespace {

size_t pages_for(int64_t tokens) {
  return static_cast<size_t>((tokens + kPageTokens - 1) / kPageTokens);
}

}  // namespace

SequenceCache& SequenceCache::operator=(SequenceCache&& other) noexcept {
  if (this != &other) {
    clear();
    pool_ = other.pool_;
    pages_ = std::exchange(other.pages_, {});
  }
  return *this;
}

bool SequenceCache::can_reserve(int64_t tokens, int num_spare) const {
  const size_t needed = std::max(pages_for(tokens), pages_.size()) - pages_.size();
  return needed + static_cast<size_t>(num_spare) <= static_cast<size_t>(pool_->num_free());
}

bool SequenceCache::reserve(int64_t tokens) {
  const size_t needed = pages_for(tokens);
  if (needed <= pages_.size()) return true;
  if (!can_reserve(tokens, 0)) return false;
  while (pages_.size() < needed) pages_.push_back(*pool_->acquire());
  return true;
}

void SequenceCache::share(PageId page) {
  pool_->retain(page);
  pages_.push_back(page);
}

void SequenceCache::replace(size_t index, PageId page) {
  pool_->retain(page);
  pool_->release(std::exchange(pages_.at(index), page));
}

void SequenceCache::truncate(int64_t tokens) {
  const size_t kept = pages_for(tokens);
  while (pages_.size() > kept) {
    pool_->release(pages_.back());
    pages_.pop_back();
  }
}

int32_t SequenceCache::slot(int64_t position) const {
  TRELLIS_CHECK(position >= 0 && position < capacity(), "the position has a page");
  const PageId page = pages_[static_cast<size_t>(position / kPageTokens)];
  return page * kPageTokens + static_cast<int32_t>(position % kPageTokens);
}

}  // namespace trellis
