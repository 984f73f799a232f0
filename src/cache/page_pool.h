// Which KV pages are free and how many sequences hold each: integers only, no memory, no device.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

namespace trellis {

/// Index of one page of kPageTokens positions in every layer's cache.
using PageId = int32_t;

/// Belongs to the engine thread. Pages are counted, so that sequences may share them. A page that
/// is kept stays as it is when its last owner leaves, idle: free, but handed out only where no
/// other page is.
class PagePool {
 public:
  explicit PagePool(int num_pages);

  /// A page with one owner, the lowest free one first after construction; nothing when all are
  /// taken.
  std::optional<PageId> acquire();
  /// Adds an owner to a page in use or idle.
  void retain(PageId page);
  /// Takes an owner away; the last one frees the page.
  void release(PageId page);

  /// From here on the page, which is in use, is kept.
  void keep(PageId page);
  /// The page is no longer kept.
  void forget(PageId page);
  bool is_idle(PageId page) const;
  /// Who chooses the idle page that is handed out next; acquire() forgets it. Needed to keep pages.
  void set_evict(std::function<PageId()> evict) { evict_ = std::move(evict); }

  int num_pages() const { return static_cast<int>(owners_.size()); }
  int num_free() const { return static_cast<int>(free_.size()) + num_idle_; }

  /// Throws InternalError unless every page is either free once, idle or has owners.
  void check_integrity() const;

 private:
  std::vector<int32_t> owners_;  // [pages]
  std::vector<bool> is_kept_;    // [pages]
  std::vector<PageId> free_;     // a stack
  int num_idle_ = 0;
  std::function<PageId()> evict_;
};

}  // namespace trellis
