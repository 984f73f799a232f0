// A step over a few sequences with random caches: what attention and the ops around it need.
#pragma once

#include "backend/args.h"
#include "backend/op_case.h"
#include "backend/random_data.h"

#include <array>
#include <vector>

namespace trellis::test {

/// Sequence s has `length` positions, of which the last `tokens` are this step's.
struct SequenceShape {
  int64_t length = 0;
  int64_t tokens = 0;
};

inline constexpr std::array<KvType, 7> kQuantizedKvTypes = {
    KvType::kQ2, KvType::kQ3, KvType::kQ4, KvType::kQ5, KvType::kQ6, KvType::kQ7, KvType::kQ8
};

struct CacheShape {
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  KvTypes types;
};

/// Hands out pages in random order and says where every token of the step stands.
class RandomSequences {
 public:
  RandomSequences(std::vector<SequenceShape> sequences, uint64_t seed);

  int64_t num_tokens() const { return static_cast<int64_t>(positions_.size()); }
  int64_t num_pages() const { return num_pages_; }

  /// The step's arrays in the memory of op's backend.
  DeviceStep upload_step(PreparedOp& op) const;
  /// Random keys and values at every position of every sequence; NaN, or a scale of NaN, where
  /// there is none, so that reading there shows.
  KvLayer upload_cache(PreparedOp& op, const CacheShape& shape, uint64_t seed) const;

 private:
  /// Normal numbers at the positions of the sequences, NaN elsewhere: [pages, kv_heads,
  /// kPageTokens, head_dim].
  std::vector<float> random_numbers(const CacheShape& shape, RandomData& random) const;

  std::vector<SequenceShape> sequences_;
  int64_t num_pages_ = 0;
  int64_t max_pages_ = 0;
  std::vector<int32_t> page_table_;
  std::vector<int32_t> positions_;
  std::vector<int32_t> slots_;
  std::vector<int32_t> row_begin_;
  std::vector<int32_t> kv_length_;
};

}  // namespace trellis::test
