#include "backend/reference/element.h"
#include "backend/reference/reference_ops.h"

namespace trellis::reference {

void ReferenceOps::kv_store(
    ConstTensor keys, ConstTensor values, ConstTensor slots, const KvLayer& cache
) {
  const int64_t kv_heads = cache.keys.dim(1);
  const int64_t head_dim = cache.keys.dim(3);
  for (int64_t t = 0; t < slots.numel(); ++t) {
    const int64_t page = slots.as<int32_t>()[t] / kPageTokens;
    const int64_t offset = slots.as<int32_t>()[t] % kPageTokens;
    for (int64_t head = 0; head < kv_heads; ++head) {
      const int64_t target = ((page * kv_heads + head) * kPageTokens + offset) * head_dim;
      for (int64_t i = 0; i < head_dim; ++i) {
        const int64_t source = head * head_dim + i;
        store_element(
            cache.keys.data(), cache.keys.dtype(), target + i, keys.row<float>(t)[source]
        );
        store_element(
            cache.values.data(), cache.values.dtype(), target + i, values.row<float>(t)[source]
        );
      }
    }
  }
}

}  // namespace trellis::reference
