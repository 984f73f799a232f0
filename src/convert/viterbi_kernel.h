// The inner loop of the trellis search: one step of the forward pass over all 65,536 states. One
// implementation per instruction set, all with the same bits; the machine's best is picked once.
// This header is included by files compiled for different instruction sets: no inline functions.
#pragma once

#include <cstdint>

namespace trellis {

/// Edges that a kernel handles together; the table of codebook values is laid out in such blocks.
inline constexpr int kViterbiBlock = 16;

/// One step at which every outgoing edge finds its cheapest predecessor.
///
/// There are 2^(16 - bits) edges, the 16 - bits bits that neighbouring states share. The state
/// (k << (16 - bits)) | edge comes from the edge state >> bits and costs
///   costs_before[state >> bits] + (value(state) - weight)^2,
/// each of the three operations rounded to fp32. Of the 2^bits states of an edge the cheapest wins,
/// the lowest k among equals.
struct ViterbiStep {
  int bits;                   // 1 to 8
  const float* table;         // [edges / 16, 2^bits, 16]: the value of each state
  float weight;               // what this step should encode
  const float* costs_before;  // [edges], readable for kViterbiBlock elements beyond its end
  float* costs_after;         // [edges]
  uint8_t* choices;           // [edges]: the winning k
};

struct ViterbiKernel {
  const char* name;
  void (*advance)(const ViterbiStep& step);
};

namespace scalar {
extern const ViterbiKernel kViterbiKernel;
}
namespace avx2 {
extern const ViterbiKernel kViterbiKernel;
}
namespace avx512 {
extern const ViterbiKernel kViterbiKernel;
}

}  // namespace trellis
