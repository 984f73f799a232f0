// Which KV pages are free and how many sequences hold each: integers only, no memory, no device.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace trellis {

/// Index of one page of kPageTokens positions in every layer's cache.
using PageId = int32_t;

/// Belongs to the engine thread. Pages are counted, so that sequences may share them.
class PagePool {
 public:
  explicit PagePool(int num_pages);

  /// A page with one owner, the lowest free one first after construction; nothing when all are
  /// taken.
  std::optional<PageId> acquire();
  /// Adds an owner to a page in use.
  void retain(PageId page);
  /// Takes an owner away; the last one frees the page.
  void release(PageId page);

  int num_pages() const { return static_cast<int>(owners_.size()); }
  int num_free() const { return static_cast<int>(free_.size()); }

  /// Throws InternalError unless every page is either free once or has owners.
  void check_integrity() const;

 private:
  std::vector<int32_t> owners_;  // [pages]
  std::vector<PageId> free_;     // a stack
};

}  // namespace trellis
