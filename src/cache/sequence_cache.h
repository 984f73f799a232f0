// The pages that one sequence holds, in the order of its positions.
#pragma once

#include "backend/args.h"
#include "cache/page_pool.h"

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace trellis {

/// Move-only; gives its pages back when destroyed. The pool must outlive it.
class SequenceCache {
 public:
  explicit SequenceCache(PagePool& pool) : pool_(&pool) {}
  ~SequenceCache() { clear(); }
  SequenceCache(SequenceCache&& other) noexcept
      : pool_(other.pool_), pages_(std::exchange(other.pages_, {})) {}
  SequenceCache& operator=(SequenceCache&& other) noexcept;
  SequenceCache(const SequenceCache&) = delete;
  SequenceCache& operator=(const SequenceCache&) = delete;

  /// Whether reserve(tokens) would leave the pool at least num_spare free pages.
  bool can_reserve(int64_t tokens, int num_spare) const;
  /// Grows until the first `tokens` positions have pages. False, and unchanged, when the pool has
  /// too few.
  bool reserve(int64_t tokens);
  /// Appends a page that is in use or idle elsewhere, to be read only.
  void share(PageId page);
  /// Takes a page that is in use or idle elsewhere and holds the same in the place of its own.
  void replace(size_t index, PageId page);
  /// Gives back the pages that lie wholly beyond the first `tokens` positions.
  void truncate(int64_t tokens);
  void clear() { truncate(0); }

  /// Positions that have a page.
  int64_t capacity() const { return static_cast<int64_t>(pages_.size()) * kPageTokens; }
  std::span<const PageId> pages() const { return pages_; }
  /// Where position is stored: page * kPageTokens + offset. The position must be below capacity().
  int32_t slot(int64_t position) const;

 private:
  PagePool* pool_;
  std::vector<PageId> pages_;
};

}  // namespace trellis
