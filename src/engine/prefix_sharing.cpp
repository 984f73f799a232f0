#include "engine/prefix_sharing.h"

#include <algorithm>

namespace trellis {
namespace {

/// To compute fewer tokens again takes no longer than the step that waiting costs.
constexpr int64_t kWorthWaiting = 16;

}  // namespace

void PrefixSharing::prepare(Sequence& sequence) const {
  const int64_t known = sequence.num_final();
  for (size_t page = sequence.page_hashes.size();; ++page) {
    const auto tokens = sequence.page_tokens(page, known);
    if (static_cast<int64_t>(tokens.size()) < kPageTokens) return;
    sequence.page_hashes.push_back(cache_.page_hash(sequence.parent_hash(page), tokens));
  }
}

bool PrefixSharing::covers(const Sequence& other, const Sequence& sequence) {
  const int64_t tokens = sequence.num_reusable();
  const auto pages = static_cast<size_t>(tokens / kPageTokens);
  if (other.prefix_root != sequence.prefix_root) return false;
  if (other.num_known() < tokens || other.page_hashes.size() < pages) return false;
  return other.parent_hash(pages) == sequence.parent_hash(pages) &&
         std::ranges::equal(other.page_tokens(pages, tokens), sequence.page_tokens(pages, tokens));
}

bool PrefixSharing::is_worth_waiting(const Sequence& sequence) {
  const size_t page = find_pages(sequence).size();
  const int64_t tokens = sequence.num_reusable();
  const auto rest = sequence.page_tokens(page, tokens);
  const int64_t found = static_cast<int64_t>(page) * kPageTokens +
                        cache_.find_part(sequence.parent_hash(page), rest).num_tokens;
  return tokens - found >= kWorthWaiting;
}

std::vector<PageId> PrefixSharing::find_pages(const Sequence& sequence) {
  const int64_t most = sequence.num_reusable();
  std::vector<PageId> pages;
  while (static_cast<int64_t>(pages.size() + 1) * kPageTokens <= most) {
    const size_t page = pages.size();
    const auto found = cache_.find(sequence.page_hashes[page], sequence.page_tokens(page, most));
    if (!found) break;
    pages.push_back(*found);
  }
  return pages;
}

bool PrefixSharing::admit(Sequence& sequence, int num_spare, const Sequence* source) {
  // The last token is in a page of the sequence's own, whatever is found.
  if (!sequence.cache.can_reserve(1, num_spare)) return false;
  const std::vector<PageId> found = find_pages(sequence);
  for (const PageId page : found) sequence.cache.share(page);
  if (!sequence.cache.can_reserve(sequence.num_tokens(), num_spare)) {
    sequence.cache.clear();
    return false;
  }
  const size_t page = found.size();
  const auto rest = sequence.page_tokens(page, sequence.num_reusable());
  PrefixCache::Part part = cache_.find_part(sequence.parent_hash(page), rest);
  if (source != nullptr && static_cast<int64_t>(rest.size()) > part.num_tokens) {
    part = {source->cache.pages()[page], static_cast<int64_t>(rest.size())};
  }
  // The pool may take the very page that is to be copied: until the next step it holds the same.
  sequence.cache.reserve(sequence.num_tokens());
  sequence.num_shared_pages = page;
  sequence.num_computed = static_cast<int64_t>(page) * kPageTokens + part.num_tokens;
  if (part.num_tokens > 0) copies_.push_back({part.place, sequence.cache.pages()[page]});
  if (sequence.num_preemptions == 0) sequence.num_cached = sequence.num_computed;
  return true;
}

void PrefixSharing::publish(Sequence& sequence) {
  prepare(sequence);
  const int64_t settled = sequence.num_settled();
  while (static_cast<int64_t>(sequence.num_shared_pages + 1) * kPageTokens <= settled) {
    const size_t page = sequence.num_shared_pages++;
    const auto tokens = sequence.page_tokens(page, settled);
    const Hash128& hash = sequence.page_hashes[page];
    const PageId own = sequence.cache.pages()[page];
    if (const auto known = cache_.find(hash, tokens)) {
      sequence.cache.replace(page, *known);
    } else {
      cache_.add(own, sequence.parent_hash(page), hash, tokens);
    }
  }
}

void PrefixSharing::leave(Sequence& sequence) {
  publish(sequence);
  const size_t page = sequence.num_shared_pages;
  const auto tokens = sequence.page_tokens(page, sequence.num_settled());
  if (tokens.empty()) return;
  cache_.add_part(sequence.cache.pages()[page], sequence.parent_hash(page), tokens);
}

}  // namespace trellis
