#include "cache/host_pages.h"

#include "base/error.h"

#include <algorithm>
#include <utility>

namespace trellis {

HostPages::HostPages(int num_places)
    : index_(num_places), holds_(static_cast<size_t>(num_places), 0) {
  for (int place = num_places - 1; place >= 0; --place) free_.push_back(place);
}

std::optional<int> HostPages::take() {
  if (free_.empty()) {
    const auto oldest = index_.oldest_leaf([this](int place) { return holds(place) == 0; });
    if (!oldest) return std::nullopt;
    index_.remove(*oldest);
    free_.push_back(*oldest);
  }
  const int place = free_.back();
  free_.pop_back();
  holds(place) = 1;
  return place;
}

bool HostPages::fill(int place, PageContent content) {
  TRELLIS_CHECK(holds(place) > 0, "a place is held while it is filled");
  if (index_.knows(content)) return false;
  index_.add(place, std::move(content));
  return true;
}

std::optional<int> HostPages::add(PageContent content) {
  if (index_.knows(content)) return std::nullopt;
  const auto place = take();
  if (place) index_.add(*place, std::move(content));
  return place;
}

void HostPages::release(int place) {
  TRELLIS_CHECK(holds(place) > 0, "a place is released once per hold");
  if (--holds(place) == 0 && index_.is_empty(place)) free_.push_back(place);
}

void HostPages::check_integrity() const {
  index_.check_integrity();
  for (int place = 0; place < num_places(); ++place) {
    const bool in_use = !index_.is_empty(place) || holds_[static_cast<size_t>(place)] > 0;
    const auto times = std::count(free_.begin(), free_.end(), place);
    TRELLIS_CHECK_EQ(times, in_use ? 0 : 1, "a place is known, held or free");
  }
}

}  // namespace trellis
