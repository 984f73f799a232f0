// Finds the pages of the pool by the tokens that they hold, so that requests which begin alike
// share them. Integers only: whoever computes copies the pages that are to be copied.
//
// A page that no sequence holds is free, but keeps its contents until the pool has no other page.
#pragma once

#include "base/siphash.h"
#include "cache/page_index.h"
#include "cache/page_pool.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
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
  /// Of the page with these tokens, kPageTokens or fewer, behind the page `parent`.
  Hash128 page_hash(const Hash128& parent, std::span<const int32_t> tokens) const;

  using Part = PageIndex::Part;

  /// As PageIndex does.
  std::optional<PageId> find(const Hash128& hash, std::span<const int32_t> tokens) {
    return index_.find(hash, tokens);
  }
  Part find_part(const Hash128& parent, std::span<const int32_t> tokens) {
    return index_.find_part(parent, tokens);
  }

  /// Makes a page in use known: full, with its hash, or the beginning of one. A full one must be
  /// new to find(), and nobody may write into the page while it is known. A part that another page
  /// behind `parent` begins with is not worth keeping and stays unknown.
  void add(
      PageId page, const Hash128& parent, const Hash128& hash, std::span<const int32_t> tokens
  );
  void add_part(PageId page, const Hash128& parent, std::span<const int32_t> tokens);

  /// Who is told of a page that goes. It still holds what it did until somebody writes into it.
  using OnEvict = std::function<void(PageId page, PageContent content)>;
  void set_on_evict(OnEvict on_evict) { on_evict_ = std::move(on_evict); }

  /// The known pages that are not full, those used last first.
  std::vector<PageId> parts() const;
  const PageContent& content(PageId page) const { return index_.content(page); }
  size_t num_pages() const { return index_.num_pages(); }
  /// Throws InternalError unless the index is right, and its hashes are.
  void check_integrity() const;

 private:
  PageId evict();

  PagePool& pool_;
  SipKey key_;
  PageIndex index_;  // a place is a page of the pool
  OnEvict on_evict_;
};

}  // namespace trellis
