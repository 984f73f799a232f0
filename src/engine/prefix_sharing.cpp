#include "engine/prefix_sharing.h"

namespace trellis {

void PrefixSharing::prepare(Sequence& sequence) const {
  const int64_t known = sequence.num_tokens() - (sequence.chosen_row >= 0 ? 1 : 0);
  for (size_t page = sequence.page_hashes.size();; ++page) {
    const auto tokens = sequence.page_tokens(page, known);
    if (static_cast<int64_t>(tokens.size()) < kPageTokens) return;
    sequence.page_hashes.push_back(cache_.page_hash(sequence.parent_hash(page), tokens));
  }
}

bool PrefixSharing::admit(Sequence& sequence, int num_spare) {
  // The last token is in a page of the sequence's own, whatever is found.
  if (!sequence.cache.can_reserve(1, num_spare)) return false;
  const int64_t most = sequence.num_reusable();
  size_t page = 0;
  while (static_cast<int64_t>(page + 1) * kPageTokens <= most) {
    const auto found = cache_.find(sequence.page_hashes[page], sequence.page_tokens(page, most));
    if (!found) break;
    sequence.cache.share(*found);
    ++page;
  }
  if (!sequence.cache.can_reserve(sequence.num_tokens(), num_spare)) {
    sequence.cache.clear();
    return false;
  }
  const PrefixCache::Part part =
      cache_.find_part(sequence.parent_hash(page), sequence.page_tokens(page, most));
  // The pool may take the very page that is to be copied: until the next step it holds the same.
  sequence.cache.reserve(sequence.num_tokens());
  sequence.num_shared_pages = page;
  sequence.num_computed = static_cast<int64_t>(page) * kPageTokens + part.num_tokens;
  if (part.num_tokens > 0) copies_.push_back({part.page, sequence.cache.pages()[page]});
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
