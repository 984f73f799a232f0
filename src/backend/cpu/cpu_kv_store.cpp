// The append to the cache: rows of keys and values, rounded to the cache's type.
#include "backend/cpu/cpu_ops.h"
#include "exl3/kv_quant.h"

#include <cstring>

namespace trellis::cpu {
namespace {

void store_quantized(const float* channels, const KvSide& side, int64_t row) {
  const int bits = kv_bits(side.type());
  uint32_t* words = side.numbers.row<uint32_t>(row);
  uint16_t* scales = side.scales.row<uint16_t>(row);
  for (int64_t group = 0; group < side.scales.row_size(); ++group) {
    const exl3::KvCodes codes = exl3::kv_quantize(channels + group * exl3::kKvGroup, bits);
    exl3::kv_pack(codes.codes, bits, words + group * bits);
    scales[group] = codes.scale;
  }
}

}  // namespace

void CpuOps::store_row(const float* row, int64_t slot, const KvSide& side) const {
  const int64_t head_dim = side.head_dim();
  for (int64_t head = 0; head < side.num_kv_heads(); ++head, row += head_dim) {
    const int64_t place = side.row(slot, head);
    switch (side.type()) {
      case KvType::kFloat16:
        kernels_.narrow_half(row, side.numbers.row<uint16_t>(place), head_dim);
        break;
      case KvType::kFloat32: {
        const size_t bytes = static_cast<size_t>(head_dim) * sizeof(float);
        std::memcpy(side.numbers.row<float>(place), row, bytes);
        break;
      }
      default:
        store_quantized(row, side, place);
    }
  }
}

void CpuOps::kv_store(
    ConstTensor keys, ConstTensor values, ConstTensor slots, const KvLayer& cache
) {
  TRELLIS_CHECK_EQ(slots.numel(), keys.rows(), "one slot per row");
  const KvSide key_side = cache.key_side();
  const KvSide value_side = cache.value_side();
  for_rows(keys.rows(), keys.row_size(), [&](int64_t t) {
    const int32_t slot = slots.as<int32_t>()[t];
    store_row(keys.row<float>(t), slot, key_side);
    store_row(values.row<float>(t), slot, value_side);
  });
}

}  // namespace trellis::cpu
