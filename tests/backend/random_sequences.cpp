#include "backend/random_sequences.h"

#include <algorithm>
#include <limits>

namespace trellis::test {
namespace {

int64_t pages_of(const SequenceShape& sequence) {
  return (sequence.length + kPageTokens - 1) / kPageTokens;
}

Tensor upload_floats(PreparedOp& op, const std::vector<float>& values, Shape shape, DType dtype) {
  if (dtype == DType::kFloat32) return op.upload(values, shape);
  return op.upload(narrow(values, dtype), shape, dtype);
}

}  // namespace

RandomSequences::RandomSequences(std::vector<SequenceShape> sequences, uint64_t seed)
    : sequences_(std::move(sequences)) {
  for (const SequenceShape& sequence : sequences_) {
    num_pages_ += pages_of(sequence);
    max_pages_ = std::max(max_pages_, pages_of(sequence));
  }
  const std::vector<int32_t> pages = RandomData(seed).permutation(num_pages_);
  auto next_page = pages.begin();
  for (const SequenceShape& sequence : sequences_) {
    std::vector<int32_t> own(static_cast<size_t>(max_pages_), 0);
    std::copy_n(next_page, pages_of(sequence), own.begin());
    next_page += pages_of(sequence);
    row_begin_.push_back(static_cast<int32_t>(positions_.size()));
    kv_length_.push_back(static_cast<int32_t>(sequence.length));
    for (int64_t p = sequence.length - sequence.tokens; p < sequence.length; ++p) {
      positions_.push_back(static_cast<int32_t>(p));
      const int32_t page = own[static_cast<size_t>(p / kPageTokens)];
      slots_.push_back(page * kPageTokens + static_cast<int32_t>(p % kPageTokens));
    }
    page_table_.insert(page_table_.end(), own.begin(), own.end());
  }
  row_begin_.push_back(static_cast<int32_t>(positions_.size()));
}

DeviceStep RandomSequences::upload_step(PreparedOp& op) const {
  const auto num_sequences = static_cast<int64_t>(sequences_.size());
  DeviceStep step;
  step.positions = op.upload(positions_, {num_tokens()});
  step.cache_slots = op.upload(slots_, {num_tokens()});
  step.row_begin = op.upload(row_begin_, {num_sequences + 1});
  step.kv_length = op.upload(kv_length_, {num_sequences});
  step.page_table = op.upload(page_table_, {num_sequences, max_pages_});
  step.max_kv_length = *std::max_element(kv_length_.begin(), kv_length_.end());
  return step;
}

KvLayer RandomSequences::upload_cache(PreparedOp& op, const CacheShape& shape, uint64_t seed)
    const {
  RandomData random(seed);
  const Shape sizes = {num_pages_, shape.kv_heads, kPageTokens, shape.head_dim};
  const auto fill = [&] {
    std::vector<float> numbers(
        static_cast<size_t>(sizes.numel()), std::numeric_limits<float>::quiet_NaN()
    );
    for (size_t s = 0; s < sequences_.size(); ++s) {
      for (int64_t p = 0; p < sequences_[s].length; ++p) {
        const int64_t page =
            page_table_[s * static_cast<size_t>(max_pages_) + static_cast<size_t>(p / kPageTokens)];
        for (int64_t head = 0; head < shape.kv_heads; ++head) {
          const int64_t row = (page * shape.kv_heads + head) * kPageTokens + p % kPageTokens;
          for (int64_t i = 0; i < shape.head_dim; ++i) {
            numbers[static_cast<size_t>(row * shape.head_dim + i)] = random.normal();
          }
        }
      }
    }
    return upload_floats(op, numbers, sizes, shape.dtype);
  };
  const Tensor keys = fill();
  return {keys, fill()};
}

}  // namespace trellis::test
