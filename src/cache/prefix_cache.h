// Finds pages by the tokens whose keys and values they hold, so that requests which begin alike
// share them. Integers only: whoever computes copies the pages that find() says are to be copied.
//
// A page is known by the hash of its 256 tokens and of the page before it, so equal hashes mean
// equal beginnings. Pages form a tree. One that no sequence holds is free, but keeps its contents
// until the pool has no other page; then the leaf that was not used for longest goes first, so that
// what is left is always a beginning of something.
#pragma once

#include "base/siphash.h"
#include "cache/page_pool.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace trellis {

/// Belongs to the engine thread. The pool is borrowed and must outlive it; it asks this cache for
/// pages when it has no other.
class PrefixCache {
 public:
  PrefixCache(PagePool& pool, const SipKey& key);
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;
  ~PrefixCache();

  /// What the first page of a sequence follows. Sequences of another salt share nothing with it.
  Hash128 root(std::string_view salt) const;
  /// Of the page with these kPageTokens tokens behind the page `parent`.
  Hash128 page_hash(const Hash128& parent, std::span<const int32_t> tokens) const;

  /// A page whose first num_tokens positions are as some tokens want them.
  struct Part {
    PageId page = -1;
    int64_t num_tokens = 0;
  };

  /// The page of this hash, which holds these tokens, and is marked as used.
  std::optional<PageId> find(const Hash128& hash, std::span<const int32_t> tokens);
  /// The page behind `parent` that begins with the most of these tokens: none if with no one. It is
  /// marked as used.
  Part find_part(const Hash128& parent, std::span<const int32_t> tokens);

  /// Makes a page in use known: full, with its hash, or the beginning of one. A full one must be
  /// new to find(), and nobody may write into the page while it is known. A part that another page
  /// behind `parent` begins with is not worth keeping and stays unknown.
  void add(
      PageId page, const Hash128& parent, const Hash128& hash, std::span<const int32_t> tokens
  );
  void add_part(PageId page, const Hash128& parent, std::span<const int32_t> tokens);

  size_t num_pages() const { return num_known_; }
  /// Throws InternalError unless every known page can be found, and children know their parents.
  void check_integrity() const;

 private:
  struct Node {
    std::vector<int32_t> tokens;  // empty: the page is not known
    Hash128 parent;
    Hash128 hash;  // of a full page
    uint64_t last_used = 0;
  };
  struct Hasher {
    size_t operator()(const Hash128& hash) const { return hash.low; }
  };

  Node& node(PageId page) { return nodes_[static_cast<size_t>(page)]; }
  const Node& node(PageId page) const { return nodes_[static_cast<size_t>(page)]; }
  bool is_full(const Node& node) const;
  bool has_children(const Node& node) const;
  void insert(PageId page, Node node);
  PageId evict();

  PagePool& pool_;
  SipKey key_;
  std::vector<Node> nodes_;  // [pages]
  std::unordered_map<Hash128, PageId, Hasher> by_hash_;
  std::unordered_map<Hash128, std::vector<PageId>, Hasher> children_;
  uint64_t now_ = 0;
  size_t num_known_ = 0;
};

}  // namespace trellis
