// How attention of few rows is cut: the positions that a row sees into spans, which are summed by
// themselves and then merged. Plain arithmetic, which kernels and launches share.
#pragma once

#include "base/host_device.h"

#include <cmath>
#include <cstdint>

namespace trellis::cuda {

/// A span is a multiple of this; divides a page.
inline constexpr int kLeastSpan = 64;
/// Spans that a row is cut into, at most, however few heads there are. A multiple of a warp.
inline constexpr int kMostSpans = 128;

/// The spans of one row. They depend on its position, on the window and on the model's shape alone,
/// and so do the bits of its result.
struct RowSpans {
  int first;  // position that the row sees
  int last;   // its own position
  int begin;  // of the spans: first, rounded down to a multiple of kLeastSpan
  int span;   // positions of each

  TRELLIS_HD constexpr int count() const { return (last - begin) / span + 1; }
};

/// most_spans: that a row is cut into.
TRELLIS_HD constexpr RowSpans spans_of(int position, int window, int most_spans) {
  const int first = window > 0 && position >= window ? position - window + 1 : 0;
  const int begin = first / kLeastSpan * kLeastSpan;
  const int least = (position - begin) / most_spans + 1;
  return {first, position, begin, (least + kLeastSpan - 1) / kLeastSpan * kLeastSpan};
}

/// Of some positions: the largest score, and the sum of 2^(score - largest).
/// The outputs beside it are weighted by these powers.
struct alignas(8) SoftmaxState {
  float largest;
  float sum;
};

/// Of no positions.
TRELLIS_HD constexpr SoftmaxState empty_state() {
  return {-INFINITY, 0.0f};
}

/// What the spans of some rows leave, before they are merged. Device memory.
struct SpanParts {
  SoftmaxState* states = nullptr;  // [rows, heads, spans]
  float* outputs = nullptr;        // [rows, heads, spans, head_dim]
  int spans = 0;                   // that there is room for
  int most_spans = 1;              // of a row, as spans_of() takes it
};

}  // namespace trellis::cuda
