#include "cache/page_index.h"

#include "backend/args.h"
#include "base/error.h"

#include <algorithm>
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

bool PageContent::is_full() const {
  return tokens.size() == static_cast<size_t>(kPageTokens);
}

std::optional<int> PageIndex::find(const Hash128& hash, std::span<const int32_t> tokens) {
  const auto found = by_hash_.find(hash);
  if (found == by_hash_.end()) return std::nullopt;
  Entry& known = entry(found->second);
  if (!std::equal(
          tokens.begin(), tokens.end(), known.content.tokens.begin(), known.content.tokens.end()
      )) {
    return std::nullopt;
  }
  known.last_used = ++now_;
  return found->second;
}

std::optional<int> PageIndex::place_of(const Hash128& hash) const {
  const auto found = by_hash_.find(hash);
  if (found == by_hash_.end()) return std::nullopt;
  return found->second;
}

PageIndex::Part PageIndex::find_part(const Hash128& parent, std::span<const int32_t> tokens) {
  Part best;
  const auto found = children_.find(parent);
  if (found == children_.end()) return best;
  for (const int place : found->second) {
    const auto length = static_cast<int64_t>(common_length(content(place).tokens, tokens));
    if (length > best.num_tokens) best = {place, length};
  }
  if (best.place >= 0) entry(best.place).last_used = ++now_;
  return best;
}

bool PageIndex::knows(const PageContent& content) {
  if (content.is_full()) return find(content.hash, content.tokens).has_value();
  return find_part(content.parent, content.tokens).num_tokens ==
         static_cast<int64_t>(content.tokens.size());
}

void PageIndex::add(int place, PageContent content) {
  TRELLIS_CHECK(is_empty(place) && !content.tokens.empty(), "a place holds one page");
  const bool is_new = by_hash_.emplace(content.hash, place).second;
  TRELLIS_CHECK(is_new, "a page is known once");
  children_[content.parent].push_back(place);
  entry(place) = {std::move(content), ++now_};
  ++num_pages_;
}

PageContent PageIndex::remove(int place) {
  TRELLIS_CHECK(!is_empty(place), "only a known page is forgotten");
  PageContent removed = std::exchange(entry(place), {}).content;
  by_hash_.erase(removed.hash);
  const auto siblings = children_.find(removed.parent);
  std::erase(siblings->second, place);
  if (siblings->second.empty()) children_.erase(siblings);
  --num_pages_;
  return removed;
}

bool PageIndex::has_children(int place) const {
  return children_.contains(content(place).hash);
}

void PageIndex::check_integrity() const {
  size_t num_pages = 0;
  for (int place = 0; place < num_places(); ++place) {
    if (is_empty(place)) continue;
    ++num_pages;
    const std::vector<int>& siblings = children_.at(content(place).parent);
    TRELLIS_CHECK_EQ(
        std::count(siblings.begin(), siblings.end(), place), 1, "a parent knows each child once"
    );
    TRELLIS_CHECK_EQ(by_hash_.at(content(place).hash), place, "a hash is one page's");
  }
  TRELLIS_CHECK_EQ(num_pages, num_pages_, "known pages are counted");
  TRELLIS_CHECK_EQ(num_pages, by_hash_.size(), "every hash is a known page's");
}

}  // namespace trellis
