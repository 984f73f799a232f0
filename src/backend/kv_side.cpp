// What a side of the cache holds, told by its tensors.
#include "backend/args.h"
#include "exl3/kv_quant.h"

namespace trellis {

KvType KvSide::type() const {
  if (scales.empty()) {
    TRELLIS_CHECK(
        numbers.dtype() == DType::kFloat16 || numbers.dtype() == DType::kFloat32,
        "keys and values without scales are fp16 or fp32"
    );
    return numbers.dtype() == DType::kFloat16 ? KvType::kFloat16 : KvType::kFloat32;
  }
  TRELLIS_CHECK(numbers.dtype() == DType::kUint32, "quantized keys and values are words");
  const int64_t bits = numbers.dim(3) / scales.dim(3);
  TRELLIS_CHECK(bits >= exl3::kMinKvBits && bits <= exl3::kMaxKvBits, "a cache of 2 to 8 bits");
  return static_cast<KvType>(bits);
}

int64_t KvSide::head_dim() const {
  return scales.empty() ? numbers.dim(3) : scales.dim(3) * exl3::kKvGroup;
}

}  // namespace trellis
