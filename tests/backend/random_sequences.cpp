#include "backend/random_sequences.h"

#include "exl3/kv_quant.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace trellis::test {
namespace {

int64_t pages_of(const SequenceShape& sequence) {
  return (sequence.length + kPageTokens - 1) / kPageTokens;
}

/// Rounds numbers, [..., head_dim] of `shape`, to the type.
KvSide upload_side(PreparedOp& op, const std::vector<float>& numbers, Shape shape, KvType type) {
  if (type == KvType::kFloat32) return {op.upload(numbers, shape), {}};
  if (type == KvType::kFloat16) {
    return {op.upload(narrow(numbers, DType::kFloat16), shape, DType::kFloat16), {}};
  }
  const auto bits = static_cast<size_t>(kv_bits(type));
  const size_t groups = numbers.size() / exl3::kKvGroup;
  std::vector<uint32_t> words(groups * bits, 0xffffffff);
  std::vector<uint16_t> scales(groups, float_to_half(std::numeric_limits<float>::quiet_NaN()));
  for (size_t group = 0; group < groups; ++group) {
    const float* channels = numbers.data() + group * exl3::kKvGroup;
    if (std::isnan(channels[0])) continue;
    const exl3::KvCodes codes = exl3::kv_quantize(channels, kv_bits(type));
    exl3::kv_pack(codes.codes, kv_bits(type), words.data() + group * bits);
    scales[group] = codes.scale;
  }
  const int64_t row_groups = shape[3] / exl3::kKvGroup;
  return {
      op.upload(words, {shape[0], shape[1], shape[2], row_groups * kv_bits(type)}, DType::kUint32),
      op.upload(scales, {shape[0], shape[1], shape[2], row_groups})
  };
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
  const KvSide keys = upload_side(op, random_numbers(shape, random), sizes, shape.types.keys);
  const KvSide values = upload_side(op, random_numbers(shape, random), sizes, shape.types.values);
  return {keys.numbers, values.numbers, keys.scales, values.scales};
}

std::vector<float> RandomSequences::random_numbers(const CacheShape& shape, RandomData& random)
    const {
  std::vector<float> numbers(
      static_cast<size_t>(num_pages_ * shape.kv_heads * kPageTokens * shape.head_dim),
      std::numeric_limits<float>::quiet_NaN()
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
  return numbers;
}

}  // namespace trellis::test
