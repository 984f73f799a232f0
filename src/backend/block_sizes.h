// The sizes of a transformer block in EXL3 format: what decides how it is computed, without its
// weights.
#pragma once

#include "backend/kv_type.h"
#include "exl3/codebook.h"

#include <cstdint>

namespace trellis {

struct BlockSizes {
  int bits = 0;  // of every layer
  exl3::Codebook codebook = exl3::Codebook::kMul1;
  int64_t hidden = 0;
  int64_t intermediate = 0;
  int heads = 0;
  int kv_heads = 0;
  int head_dim = 0;
  KvTypes cache;
};

}  // namespace trellis
