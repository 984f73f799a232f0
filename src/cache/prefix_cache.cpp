#include "cache/prefix_cache.h"

#include "backend/args.h"
#include "base/error.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <utility>

namespace trellis {

PrefixCache::PrefixCache(PagePool& pool, const SipKey& key)
    : pool_(pool), key_(key), index_(pool.num_pages()) {
  pool_.set_evict([this] { return evict(); });
}

PrefixCache::~PrefixCache() {
  for (PageId page = 0; page < pool_.num_pages(); ++page) {
    if (!index_.is_empty(page)) pool_.forget(page);
  }
  pool_.set_evict({});
}

Hash128 PrefixCache::root(std::string_view salt) const {
  return siphash128(key_, std::as_bytes(std::span(salt)));
}

Hash128 PrefixCache::page_hash(const Hash128& parent, std::span<const int32_t> tokens) const {
  TRELLIS_CHECK(tokens.size() <= static_cast<size_t>(kPageTokens), "a page has so many tokens");
  std::array<std::byte, sizeof(Hash128) + kPageTokens * sizeof(int32_t)> bytes;
  std::memcpy(bytes.data(), &parent, sizeof(parent));
  std::memcpy(bytes.data() + sizeof(parent), tokens.data(), tokens.size_bytes());
  return siphash128(key_, std::span(bytes).first(sizeof(parent) + tokens.size_bytes()));
}

void PrefixCache::add(
    PageId page, const Hash128& parent, const Hash128& hash, std::span<const int32_t> tokens
) {
  index_.add(page, {{tokens.begin(), tokens.end()}, parent, hash});
  pool_.keep(page);
}

void PrefixCache::add_part(PageId page, const Hash128& parent, std::span<const int32_t> tokens) {
  if (tokens.empty()) return;
  PageContent content = {{tokens.begin(), tokens.end()}, parent, page_hash(parent, tokens)};
  if (index_.knows(content)) return;
  index_.add(page, std::move(content));
  pool_.keep(page);
}

PageId PrefixCache::evict() {
  const auto oldest = index_.oldest_leaf([this](PageId page) { return pool_.is_idle(page); });
  TRELLIS_CHECK(oldest.has_value(), "one of the idle pages has no children");
  PageContent evicted = index_.remove(*oldest);
  if (on_evict_) on_evict_(*oldest, std::move(evicted));
  return *oldest;
}

std::vector<PageId> PrefixCache::parts() const {
  std::vector<PageId> parts;
  for (PageId page = 0; page < pool_.num_pages(); ++page) {
    if (!index_.is_empty(page) && !index_.content(page).is_full()) parts.push_back(page);
  }
  std::ranges::sort(parts, std::greater(), [this](PageId page) { return index_.last_used(page); });
  return parts;
}

void PrefixCache::check_integrity() const {
  index_.check_integrity();
  for (PageId page = 0; page < pool_.num_pages(); ++page) {
    const PageContent& known = index_.content(page);
    if (index_.is_empty(page)) continue;
    TRELLIS_CHECK(page_hash(known.parent, known.tokens) == known.hash, "a hash is its tokens'");
  }
}

}  // namespace trellis
