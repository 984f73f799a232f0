#include "backend/reference/kv_row.h"
#include "backend/reference/reference_ops.h"

namespace trellis::reference {
namespace {

void store(const KvSide& side, ConstTensor rows, ConstTensor slots) {
  for (int64_t t = 0; t < slots.numel(); ++t) {
    for (int64_t head = 0; head < side.num_kv_heads(); ++head) {
      const float* channels = rows.row<float>(t) + head * side.head_dim();
      store_kv_row(side, side.row(slots.as<int32_t>()[t], head), channels);
    }
  }
}

}  // namespace

void ReferenceOps::kv_store(
    ConstTensor keys, ConstTensor values, ConstTensor slots, const KvLayer& cache
) {
  store(cache.key_side(), keys, slots);
  store(cache.value_side(), values, slots);
}

}  // namespace trellis::reference
