// One side of a layer's paged cache, keys or values, as kernels take it: plain pointers.
#pragma once

#include <cstdint>

namespace trellis::cuda {

/// bits 32: fp32, 16: fp16, both [pages, kv_heads, kPageTokens, head_dim]. 2 to 8: packed words and
/// fp16 scales as KvSide of backend/args.h describes them.
struct KvRows {
  void* numbers = nullptr;
  uint16_t* scales = nullptr;
  int bits = 16;

  constexpr bool is_quantized() const { return bits <= 8; }
};

}  // namespace trellis::cuda
