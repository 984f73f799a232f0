// Finds pages by the tokens whose keys and values they hold: the index that each tier of the prefix
// cache has of its own. Integers only. A tier numbers its places, each of which holds one page.
//
// A page is known by a hash of its tokens and of the page before it, so equal hashes mean equal
// beginnings. Pages form a tree, of which the oldest leaf is the first to go, so that what is
// left is always a beginning of something.
#pragma once

#include "base/siphash.h"

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

namespace trellis {

/// What a page holds: the keys and values of these tokens, at most kPageTokens, behind others.
struct PageContent {
  std::vector<int32_t> tokens;
  Hash128 parent;  // of the page before, or of the beginning
  Hash128 hash;    // of the parent and the tokens

  bool is_full() const;
};

/// One thread. Uses of a page are counted, not timed.
class PageIndex {
 public:
  explicit PageIndex(int num_places) : entries_(static_cast<size_t>(num_places)) {}

  /// A place whose first num_tokens positions are as some tokens want them.
  struct Part {
    int place = -1;
    int64_t num_tokens = 0;
  };

  /// The place of the page of this hash, which holds just these tokens, and is marked as used.
  std::optional<int> find(const Hash128& hash, std::span<const int32_t> tokens);
  /// The page behind `parent` that begins with the most of these tokens: none if with no one. It is
  /// marked as used.
  Part find_part(const Hash128& parent, std::span<const int32_t> tokens);

  /// Whether a place holds this, or something that begins with it, and so the same or more. It is
  /// marked as used.
  bool knows(const PageContent& content);

  /// Notes what an empty place holds, which must be new to find().
  void add(int place, PageContent content);
  /// Forgets what a place holds, and returns it.
  PageContent remove(int place);

  std::optional<int> place_of(const Hash128& hash) const;
  bool is_empty(int place) const { return entry(place).content.tokens.empty(); }
  const PageContent& content(int place) const { return entry(place).content; }
  /// The leaf that was not used for longest of those that may_go(place); nothing if none may.
  template <typename MayGo>
  std::optional<int> oldest_leaf(const MayGo& may_go) const {
    std::optional<int> oldest;
    for (int place = 0; place < num_places(); ++place) {
      if (is_empty(place) || has_children(place) || !may_go(place)) continue;
      if (!oldest || entry(place).last_used < entry(*oldest).last_used) oldest = place;
    }
    return oldest;
  }

  /// Grows with every use of any page.
  uint64_t last_used(int place) const { return entry(place).last_used; }

  int num_places() const { return static_cast<int>(entries_.size()); }
  size_t num_pages() const { return num_pages_; }
  /// Throws InternalError unless every page can be found, and children know their parents.
  void check_integrity() const;

 private:
  struct Entry {
    PageContent content;  // without tokens: empty
    uint64_t last_used = 0;
  };
  struct Hasher {
    size_t operator()(const Hash128& hash) const { return hash.low; }
  };

  Entry& entry(int place) { return entries_[static_cast<size_t>(place)]; }
  const Entry& entry(int place) const { return entries_[static_cast<size_t>(place)]; }
  bool has_children(int place) const;

  std::vector<Entry> entries_;  // [places]
  std::unordered_map<Hash128, int, Hasher> by_hash_;
  std::unordered_map<Hash128, std::vector<int>, Hasher> children_;
  uint64_t now_ = 0;
  size_t num_pages_ = 0;
};

}  // namespace trellis
