// Which layers of a model are quantized, and to how many bits each.
#pragma once

#include "model/model_spec.h"

#include <cstdint>
#include <string>
#include <vector>

namespace trellis {

/// One linear layer to be quantized.
struct ModelLinear {
  LinearSpec spec;
  int bits = 0;
  bool is_head = false;

  int64_t num_weights() const;  // of the padded matrix
};

/// head_bits that leave the output head as it is in the source.
inline constexpr int kUnquantizedHeadBits = 16;

/// Every linear layer of the model in the order of the blocks, the head last (unless head_bits is
/// 16). bits: the average of all but the head, 1 to 8.
std::vector<ModelLinear> list_linears(
    const ModelSpec& spec, const ModelConfig& config, double bits, int head_bits
);

/// The average bits per weight of all layers but the head.
double average_bits(const std::vector<ModelLinear>& linears);

}  // namespace trellis
