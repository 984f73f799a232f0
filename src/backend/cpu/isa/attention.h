// Causal grouped-query attention over paged keys and values, for consecutive rows of one sequence
// and the query heads that share one kv head. Written once over an instruction set's vocabulary.
//
// A page is a span: its scores, their maximum, exponentials and weighted values are computed from
// nothing, then merged into the running result. A query's numbers depend on its own position only,
// never on the rows beside it, so any split of rows over calls and threads gives the same bits.
// Sixteen positions at a time are widened to fp32 once for all queries of the task. A quantized
// cache is read where it lies, and stays in its rotated form: the rotation is orthonormal, so
// (H q).(H k) = q.k and sum p (H v) = H sum p v, and it is enough to rotate queries and results.
#pragma once

#include "backend/cpu/isa/kv_quant.h"
#include "backend/cpu/isa/rows.h"

namespace trellis::cpu::TRELLIS_ISA {
namespace {

struct Query {
  int64_t begin;  // the first position it sees
  int64_t end;    // one past the last
  float maximum;
  float total;
};

class Attention {
 public:
  explicit Attention(const AttentionTask& task)
      : task_(task), count_(task.rows * task.group), width_((task.head_dim + 15) / 16 * 16) {
    float* next = task.scratch;
    const auto take = [&](int64_t floats) {
      float* taken = next;
      next += floats;
      return taken;
    };
    queries_ = take(count_ * width_);
    merged_ = take(count_ * width_);
    span_ = take(count_ * width_);
    scores_ = take(count_ * kSpan);
    chunk_ = take(16 * width_);
    state_ = reinterpret_cast<Query*>(take(count_ * 16));
  }

  void run() {
    int64_t first = INT64_MAX;
    int64_t last = 0;
    for (int64_t q = 0; q < count_; ++q) {
      begin_query(q);
      first = state_[q].begin < first ? state_[q].begin : first;
      last = state_[q].end > last ? state_[q].end : last;
    }
    for (int64_t i = 0; i < 16 * width_; ++i)
      chunk_[i] = 0.0f;  // the padding of head_dim stays zero
    for (int64_t span = first / kSpan; span * kSpan < last; ++span) add_span(span, first, last);
    for (int64_t q = 0; q < count_; ++q) finish_query(q);
  }

 private:
  const float* source(int64_t q) const {
    return task_.queries + (q / task_.group) * task_.query_stride +
           (q % task_.group) * task_.head_dim;
  }

  void begin_query(int64_t q) {
    const int64_t position = task_.positions[q / task_.group];
    const int64_t window_begin = task_.window > 0 ? position + 1 - task_.window : 0;
    state_[q] = {window_begin > 0 ? window_begin : 0, position + 1, 0.0f, 0.0f};
    float* query = queries_ + q * width_;
    float* merged = merged_ + q * width_;
    for (int64_t i = 0; i < width_; ++i) {
      query[i] = i < task_.head_dim ? source(q)[i] : 0.0f;
      merged[i] = 0.0f;
    }
    if (is_quantized(task_.keys)) rotate_groups(query, task_.head_dim);
  }

  /// Widens 16 positions of a page into the chunk. Quantized ones stay rotated; their heads have no
  /// padding.
  void widen_chunk(const KvRows& cache, int64_t page, int64_t offset) {
    const int64_t first = page * cache.page_rows + offset;
    if (is_quantized(cache)) return widen_quantized(cache, first, task_.head_dim, chunk_);
    for (int64_t i = 0; i < 16; ++i) {
      float* out = chunk_ + i * width_;
      const int64_t place = (first + i) * task_.head_dim;
      if (cache.bits == 16) {
        widen_half(static_cast<const uint16_t*>(cache.numbers) + place, out, task_.head_dim);
      } else {
        __builtin_memcpy(
            out, static_cast<const float*>(cache.numbers) + place,
            static_cast<unsigned>(task_.head_dim) * sizeof(float)
        );
      }
    }
  }

  void score_chunk(const float* query, float* scores) {
    for (int64_t group = 0; group < 16; group += kLanes) {
      Floats totals[kLanes];
      for (int i = 0; i < kLanes; ++i) totals[i] = fill(0.0f);
      for (int64_t d = 0; d < width_; d += kLanes) {
        const Floats part = load(query + d);
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; ++i)
          totals[i] = fma(part, load(chunk_ + (group + i) * width_ + d), totals[i]);
      }
      store(scores + group, mul(sum_each(totals), fill(task_.scale)));
    }
  }

  /// Adds weights[i] * value i to `out`, for i in [begin, end) of the chunk.
  void add_values(const float* weights, int64_t begin, int64_t end, float* out) {
    constexpr int kParts = 4;
    int64_t d = 0;
    for (; d + kParts * kLanes <= width_; d += kParts * kLanes) {
      Floats totals[kParts];
      for (int p = 0; p < kParts; ++p) totals[p] = load(out + d + p * kLanes);
      for (int64_t i = begin; i < end; ++i) {
        const Floats weight = fill(weights[i]);
        const float* value = chunk_ + i * width_ + d;
        for (int p = 0; p < kParts; ++p)
          totals[p] = fma(weight, load(value + p * kLanes), totals[p]);
      }
      for (int p = 0; p < kParts; ++p) store(out + d + p * kLanes, totals[p]);
    }
    for (; d < width_; d += kLanes) {
      Floats total = load(out + d);
      for (int64_t i = begin; i < end; ++i)
        total = fma(fill(weights[i]), load(chunk_ + i * width_ + d), total);
      store(out + d, total);
    }
  }

  /// The part [begin, end) of a span that a query sees, as offsets into it. Empty if begin >= end.
  struct Part {
    int64_t begin;
    int64_t end;
  };
  Part part_of(int64_t q, int64_t span) const {
    const int64_t begin = state_[q].begin - span * kSpan;
    const int64_t end = state_[q].end - span * kSpan;
    return {begin > 0 ? begin : 0, end < kSpan ? end : kSpan};
  }

  void add_span(int64_t span, int64_t first, int64_t last) {
    const int64_t page = task_.page_table[span];
    const int64_t begin = (first > span * kSpan ? first - span * kSpan : 0) / 16 * 16;
    const int64_t end = last - span * kSpan < kSpan ? last - span * kSpan : kSpan;
    for (int64_t offset = begin; offset < end; offset += 16) {
      widen_chunk(task_.keys, page, offset);
      for (int64_t q = 0; q < count_; ++q) {
        const Part part = part_of(q, span);
        if (part.begin < offset + 16 && part.end > offset) {
          score_chunk(queries_ + q * width_, scores_ + q * kSpan + offset);
        }
      }
    }
    for (int64_t q = 0; q < count_; ++q) begin_merge(q, part_of(q, span));
    for (int64_t offset = begin; offset < end; offset += 16) {
      widen_chunk(task_.values, page, offset);
      for (int64_t q = 0; q < count_; ++q) {
        const Part part = part_of(q, span);
        const int64_t from = part.begin > offset ? part.begin - offset : 0;
        const int64_t to = part.end < offset + 16 ? part.end - offset : 16;
        if (from < to) add_values(scores_ + q * kSpan + offset, from, to, span_ + q * width_);
      }
    }
    for (int64_t q = 0; q < count_; ++q) {
      const Part part = part_of(q, span);
      if (part.begin < part.end) add_row(merged_ + q * width_, span_ + q * width_, width_);
    }
  }

  /// Turns a span's scores into weights relative to the larger maximum, and brings the running
  /// result to it.
  void begin_merge(int64_t q, Part part) {
    if (part.begin >= part.end) return;
    float* scores = scores_ + q * kSpan;
    Query& query = state_[q];
    // Outside the part, the whole vectors that reach beyond it get weight zero.
    const int64_t from = part.begin / kLanes * kLanes;
    const int64_t to = (part.end + kLanes - 1) / kLanes * kLanes;
    const float lowest = -__builtin_inff();
    for (int64_t i = from; i < part.begin; ++i) scores[i] = lowest;
    for (int64_t i = part.end; i < to; ++i) scores[i] = lowest;
    Floats top = load(scores + from);
    for (int64_t i = from + kLanes; i < to; i += kLanes) top = larger(top, load(scores + i));
    const float span_maximum = largest(top);

    const bool first = query.total == 0.0f;
    const float maximum = first || span_maximum > query.maximum ? span_maximum : query.maximum;
    Floats totals = fill(0.0f);
    for (int64_t i = from; i < to; i += kLanes) {
      const Floats weights = exponential(sub(load(scores + i), fill(maximum)));
      store(scores + i, weights);
    }
    for (int64_t i = from; i < part.begin; ++i) scores[i] = 0.0f;
    for (int64_t i = part.end; i < to; ++i) scores[i] = 0.0f;
    for (int64_t i = from; i < to; i += kLanes) totals = add(totals, load(scores + i));

    float* merged = merged_ + q * width_;
    float* span = span_ + q * width_;
    const float keep = first ? 0.0f : sum(exponential(fill(query.maximum - maximum))) / kLanes;
    for (int64_t d = 0; d < width_; d += kLanes) {
      store(merged + d, mul(load(merged + d), fill(keep)));
      store(span + d, fill(0.0f));
    }
    query.total = query.total * keep + sum(totals);
    query.maximum = maximum;
  }

  void finish_query(int64_t q) {
    float* out =
        task_.output + (q / task_.group) * task_.output_stride + (q % task_.group) * task_.head_dim;
    float* merged = merged_ + q * width_;
    if (is_quantized(task_.values)) rotate_groups(merged, task_.head_dim);
    const float inverse = 1.0f / state_[q].total;
    for (int64_t i = 0; i < task_.head_dim; ++i) out[i] = merged[i] * inverse;
  }

  const AttentionTask& task_;
  const int64_t count_;
  const int64_t width_;  // head_dim rounded up to 16
  float* queries_;
  float* merged_;
  float* span_;
  float* scores_;
  float* chunk_;
  Query* state_;
};

void attention(const AttentionTask& task) {
  Attention(task).run();
}

}  // namespace
}  // namespace trellis::cpu::TRELLIS_ISA
