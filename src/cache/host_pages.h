// The second tier of the prefix cache: which pages have copies in the host's memory, and where.
// Integers only: whoever computes copies the bytes, to and fro.
//
// A place that is held is being read or written, or soon will be, and keeps what it has. Of the
// others the oldest leaf goes when room is needed.
#pragma once

#include "cache/page_index.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace trellis {

/// Belongs to the engine thread.
class HostPages {
 public:
  explicit HostPages(int num_places);

  using Part = PageIndex::Part;

  /// As PageIndex does.
  std::optional<int> find(const Hash128& hash, std::span<const int32_t> tokens) {
    return index_.find(hash, tokens);
  }
  Part find_part(const Hash128& parent, std::span<const int32_t> tokens) {
    return index_.find_part(parent, tokens);
  }

  /// An empty place, held once; nothing where all are held.
  std::optional<int> take();
  /// Says what a held place is about to hold, or holds by now. False, and nothing is changed, where
  /// that is known already.
  bool fill(int place, PageContent content);
  /// take() and fill(). Nothing, and the known page is marked as used, where that is known already.
  std::optional<int> add(PageContent content);

  void hold(int place) { ++holds(place); }
  /// Takes a hold away. The last one frees an empty place.
  void release(int place);

  const PageContent& content(int place) const { return index_.content(place); }
  int num_places() const { return index_.num_places(); }
  size_t num_pages() const { return index_.num_pages(); }
  /// Throws InternalError unless every place is known, held or free once.
  void check_integrity() const;

 private:
  int& holds(int place) { return holds_[static_cast<size_t>(place)]; }

  PageIndex index_;
  std::vector<int> holds_;  // [places]
  std::vector<int> free_;   // a stack: neither known nor held
};

}  // namespace trellis
