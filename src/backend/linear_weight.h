// What a checkpoint delivers for one linear layer, before a backend packs it: dense numbers or EXL3
// tiles. Views point into the mapped checkpoint, which must outlive them; small vectors are owned.
#pragma once

#include "exl3/codebook.h"
#include "tensor/tensor.h"

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace trellis {

/// y = W x + bias.
struct DenseWeight {
  ConstTensor weight;  // [out, in] fp16, bf16 or fp32
  ConstTensor bias;    // [out] fp16, bf16 or fp32, or empty
};

/// y = svh * H(Wt^T H(suh * x)) + bias, with H the blockwise 128-point Hadamard over sqrt(128).
/// Sizes are the padded ones, multiples of 128; the logical sizes may be smaller (see in_features,
/// out_features).
struct Exl3Weight {
  int bits = 0;  // 1 to 8
  exl3::Codebook codebook = exl3::Codebook::k3inst;
  ConstTensor trellis;  // [padded_in / 16, padded_out / 16, 16 * bits] i16, little-endian pairs
                        // form 32-bit words; the data may be unaligned
  std::vector<uint16_t>
      suh;  // [padded_in] fp16: input signs and scales (legacy sign bits already expanded)
  std::vector<uint16_t> svh;  // [padded_out] fp16: output signs and scales
  ConstTensor bias;           // [out] fp16, bf16 or fp32, or empty
  int64_t in_features = 0;    // what the layer takes; inputs beyond it count as zero
  int64_t out_features = 0;   // what the layer gives; outputs beyond it are dropped

  int64_t padded_in() const { return trellis.dim(0) * 16; }
  int64_t padded_out() const { return trellis.dim(1) * 16; }
};

using LinearWeight = std::variant<DenseWeight, Exl3Weight>;

/// What the layer takes and gives.
int64_t input_size(const LinearWeight& weight);
int64_t output_size(const LinearWeight& weight);

/// Throws UserError unless dense weights of that type can be computed: fp16, bf16 and fp32.
void require_dense_type(DType dtype);

/// A bias as fp32, whose data may be unaligned: `count` numbers, none for an empty one. Throws
/// UserError as require_dense_type() does.
std::vector<float> widen_bias(ConstTensor bias, int64_t count);

}  // namespace trellis
