#include "engine/prefix_sharing.h"

#include <algorithm>
#include <utility>

namespace trellis {
namespace {

/// To compute fewer tokens again takes no longer than the step that waiting costs.
constexpr int64_t kWorthWaiting = 16;

}  // namespace

PrefixSharing::PrefixSharing(PrefixCache& cache, const TierBelow& below)
    : cache_(cache), below_(below) {
  if (below_.pages == nullptr) return;
  cache_.set_on_evict([this](PageId page, PageContent content) { save(page, std::move(content)); });
}

PrefixSharing::~PrefixSharing() {
  if (below_.pages != nullptr) cache_.set_on_evict({});
}

void PrefixSharing::save(PageId page, PageContent content) {
  const auto place = below_.pages->add(std::move(content));
  if (place) moves_.push_back({PageMove::Kind::kSave, page, *place});
}

std::vector<int> PrefixSharing::find_below(const Sequence& sequence, size_t page) {
  const int64_t most = sequence.num_reusable();
  std::vector<int> places;
  if (below_.pages == nullptr) return places;
  while (static_cast<int64_t>(page + 1) * kPageTokens <= most) {
    const auto place =
        below_.pages->find(sequence.page_hashes[page], sequence.page_tokens(page, most));
    if (!place) break;
    places.push_back(*place);
    ++page;
  }
  return places;
}

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
  size_t page = find_pages(sequence).size();
  page += find_below(sequence, page).size();
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
  // Held before the pool takes a page, which may send one down in the place of these.
  const size_t page = found.size();
  std::vector<int> places = find_below(sequence, page);
  for (const int place : places) below_.pages->hold(place);
  const size_t end = page + places.size();
  const auto rest = sequence.page_tokens(end, sequence.num_reusable());
  PageIndex::Part part = cache_.find_part(sequence.parent_hash(end), rest);
  if (source != nullptr && static_cast<int64_t>(rest.size()) > part.num_tokens) {
    part = {source->cache.pages()[end], static_cast<int64_t>(rest.size())};
  }
  PageIndex::Part part_below;
  if (below_.pages != nullptr)
    part_below = below_.pages->find_part(sequence.parent_hash(end), rest);
  const int64_t num_more = std::max(part.num_tokens, part_below.num_tokens);
  if (part_below.num_tokens > part.num_tokens) {
    below_.pages->hold(part_below.place);
    places.push_back(part_below.place);
  }
  // The pool may take the very page that is to be copied: until that is restored or computed it
  // holds the same.
  sequence.cache.reserve(sequence.num_tokens());
  const std::span<const PageId> own = sequence.cache.pages();
  if (part.num_tokens > 0 && part.num_tokens == num_more) {
    moves_.push_back({PageMove::Kind::kCopy, part.place, own[end]});
  }
  for (size_t i = 0; i < places.size(); ++i) {
    moves_.push_back({PageMove::Kind::kRestore, places[i], own[page + i]});
  }
  // What the cache knows is the beginning of something, so it knows none of these.
  for (size_t i = page; i < end; ++i) {
    cache_.add(
        own[i], sequence.parent_hash(i), sequence.page_hashes[i],
        sequence.page_tokens(i, sequence.num_reusable())
    );
  }
  sequence.num_shared_pages = end;
  sequence.num_computed = static_cast<int64_t>(end) * kPageTokens + num_more;
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
      if (below_.saves_at_once) {
        save(own, {{tokens.begin(), tokens.end()}, sequence.parent_hash(page), hash});
      }
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
