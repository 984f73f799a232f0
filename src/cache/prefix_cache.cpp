#include "cache/prefix_cache.h"

#include "backend/args.h"
#include "base/error.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace trellis {
namespace {

size_t common_length(std::span<const int32_t> a, std::span<const int32_t> b) {
  const auto length = static_cast<std::ptrdiff_t>(std::min(a.size(), b.size()));
  return static_cast<size_t>(
      std::mismatch(a.begin(), a.begin() + length, b.begin()).first - a.begin()
  );
}

}  // namespace

PrefixCache::PrefixCache(PagePool& pool, const SipKey& key)
    : pool_(pool), key_(key), nodes_(static_cast<size_t>(pool.num_pages())) {
  pool_.set_evict([this] { return evict(); });
}

PrefixCache::~PrefixCache() {
  for (size_t page = 0; page < nodes_.size(); ++page) {
    if (!nodes_[page].tokens.empty()) pool_.forget(static_cast<PageId>(page));
  }
  pool_.set_evict({});
}

Hash128 PrefixCache::root(std::string_view salt) const {
  return siphash128(key_, std::as_bytes(std::span(salt)));
}

Hash128 PrefixCache::page_hash(const Hash128& parent, std::span<const int32_t> tokens) const {
  TRELLIS_CHECK_EQ(tokens.size(), static_cast<size_t>(kPageTokens), "a full page has a hash");
  std::array<std::byte, sizeof(Hash128) + kPageTokens * sizeof(int32_t)> bytes;
  std::memcpy(bytes.data(), &parent, sizeof(parent));
  std::memcpy(bytes.data() + sizeof(parent), tokens.data(), tokens.size_bytes());
  return siphash128(key_, bytes);
}

bool PrefixCache::is_full(const Node& node) const {
  return node.tokens.size() == static_cast<size_t>(kPageTokens);
}

bool PrefixCache::has_children(const Node& node) const {
  return is_full(node) && children_.contains(node.hash);
}

std::optional<PageId> PrefixCache::find(const Hash128& hash, std::span<const int32_t> tokens) {
  const auto found = by_hash_.find(hash);
  if (found == by_hash_.end()) return std::nullopt;
  Node& known = node(found->second);
  if (!std::equal(tokens.begin(), tokens.end(), known.tokens.begin(), known.tokens.end())) {
    return std::nullopt;
  }
  known.last_used = ++now_;
  return found->second;
}

PrefixCache::Part PrefixCache::find_part(const Hash128& parent, std::span<const int32_t> tokens) {
  Part best;
  const auto found = children_.find(parent);
  if (found == children_.end()) return best;
  for (const PageId page : found->second) {
    const auto length = static_cast<int64_t>(common_length(node(page).tokens, tokens));
    if (length > best.num_tokens) best = {page, length};
  }
  if (best.page >= 0) node(best.page).last_used = ++now_;
  return best;
}

void PrefixCache::add(
    PageId page, const Hash128& parent, const Hash128& hash, std::span<const int32_t> tokens
) {
  const bool is_new = by_hash_.emplace(hash, page).second;
  TRELLIS_CHECK(is_new, "a full page is known once");
  insert(page, {{tokens.begin(), tokens.end()}, parent, hash, 0});
}

void PrefixCache::add_part(PageId page, const Hash128& parent, std::span<const int32_t> tokens) {
  if (tokens.empty()) return;
  if (find_part(parent, tokens).num_tokens == static_cast<int64_t>(tokens.size())) return;
  insert(page, {{tokens.begin(), tokens.end()}, parent, {}, 0});
}

void PrefixCache::insert(PageId page, Node known) {
  TRELLIS_CHECK(node(page).tokens.empty(), "a page is known by one content");
  known.last_used = ++now_;
  children_[known.parent].push_back(page);
  node(page) = std::move(known);
  pool_.keep(page);
  ++num_known_;
}

PageId PrefixCache::evict() {
  PageId oldest = -1;
  for (PageId page = 0; page < pool_.num_pages(); ++page) {
    const Node& known = node(page);
    if (known.tokens.empty() || !pool_.is_idle(page) || has_children(known)) continue;
    if (oldest < 0 || known.last_used < node(oldest).last_used) oldest = page;
  }
  TRELLIS_CHECK(oldest >= 0, "one of the idle pages has no children");
  Node evicted = std::exchange(node(oldest), {});
  if (is_full(evicted)) by_hash_.erase(evicted.hash);
  const auto siblings = children_.find(evicted.parent);
  std::erase(siblings->second, oldest);
  if (siblings->second.empty()) children_.erase(siblings);
  --num_known_;
  return oldest;
}

void PrefixCache::check_integrity() const {
  size_t num_known = 0;
  size_t num_full = 0;
  for (size_t page = 0; page < nodes_.size(); ++page) {
    const Node& known = nodes_[page];
    if (known.tokens.empty()) continue;
    ++num_known;
    const std::vector<PageId>& siblings = children_.at(known.parent);
    TRELLIS_CHECK_EQ(
        std::count(siblings.begin(), siblings.end(), static_cast<PageId>(page)), 1,
        "a parent knows each child once"
    );
    if (!is_full(known)) continue;
    ++num_full;
    TRELLIS_CHECK_EQ(by_hash_.at(known.hash), static_cast<PageId>(page), "a hash is one page's");
    TRELLIS_CHECK(page_hash(known.parent, known.tokens) == known.hash, "a hash is its tokens'");
  }
  TRELLIS_CHECK_EQ(num_known, num_known_, "known pages are counted");
  TRELLIS_CHECK_EQ(num_full, by_hash_.size(), "every hash is a known page's");
}

}  // namespace trellis
