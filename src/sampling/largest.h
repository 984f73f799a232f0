// The largest of many numbers.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace trellis {

/// The largest of number(0) to number(count - 1), NaN left out; -infinity of none. In running
/// maxima side by side, which a compiler turns into vectors.
template <typename Number>
float largest(size_t count, const Number& number) {
  std::array<float, 16> lanes{};
  lanes.fill(-INFINITY);
  size_t i = 0;
  for (; i + lanes.size() <= count; i += lanes.size()) {
    for (size_t lane = 0; lane < lanes.size(); ++lane) {
      const float x = number(i + lane);
      lanes[lane] = x > lanes[lane] ? x : lanes[lane];
    }
  }
  for (; i < count; ++i) lanes[0] = number(i) > lanes[0] ? number(i) : lanes[0];
  return *std::max_element(lanes.begin(), lanes.end());
}

}  // namespace trellis
