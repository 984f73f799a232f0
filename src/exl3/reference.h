// A whole EXL3 linear layer decoded in plain loops: what every kernel is compared with.
// Slow and always right; the steps are those of docs/exl3.md, in fp64 where rounding would matter.
#pragma once

#include "exl3/codebook.h"

#include <cstdint>
#include <vector>

namespace trellis::exl3 {

/// One layer as a file stores it, borrowed. Sizes are the padded ones, multiples of 128.
struct LinearView {
  int64_t padded_in = 0;
  int64_t padded_out = 0;
  int bits = 0;  // 1 to 8
  Codebook codebook = Codebook::k3inst;
  const void* trellis = nullptr;  // [padded_in / 16, padded_out / 16] tiles, any alignment
  const uint16_t* suh = nullptr;  // [padded_in] fp16: input signs and scales
  const uint16_t* svh = nullptr;  // [padded_out] fp16: output signs and scales
};

/// The weights in the rotated basis, exactly as the codebook gives them: fp16 [in, out].
std::vector<uint16_t> decode_inner(const LinearView& linear);

/// The weights in the original basis, W = diag(suh) H Wt H diag(svh), in fp64 rounded to fp32:
/// [in, out] with y = x W.
std::vector<float> reconstruct(const LinearView& linear);

/// y = svh * H(Wt^T H(suh * x)) + bias, all in fp64.
/// x: [rows, padded_in]. y: [rows, padded_out], overwritten. bias: [padded_out] or null.
void apply(const LinearView& linear, const double* x, int64_t rows, const double* bias, double* y);

}  // namespace trellis::exl3
