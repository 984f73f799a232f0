// How a case of attention is made; which ones there are is in attention_cases.cpp.
#pragma once

#include "backend/op_case.h"
#include "backend/random_sequences.h"

#include <vector>

namespace trellis::test {

struct AttentionShape {
  int num_heads = 4;
  int num_kv_heads = 2;
  int head_dim = 64;
  int window = 0;
  KvTypes cache;
};

/// Random queries over the random caches of these sequences.
OpCase attention_case(
    const AttentionShape& shape, const std::vector<SequenceShape>& sequences, uint64_t seed
);

}  // namespace trellis::test
