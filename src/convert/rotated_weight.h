// A dense weight brought into the form that the trellis codes well: rotated, rescaled by input and
// output channel and with well chosen signs, its elements are close to normal with one deviation.
// Source: Tseng et al. 2024 (QuIP#, incoherence processing); docs/exl3.md, "The linear layer".
#pragma once

#include "base/thread_pool.h"
#include "tensor/tensor.h"

#include <cstdint>
#include <vector>

namespace trellis {

/// W = diag(su) H values H diag(sv) in the orientation y = x W, H orthonormal; sizes padded with
/// zeros to multiples of 128.
struct RotatedWeight {
  int64_t padded_in = 0;
  int64_t padded_out = 0;
  std::vector<float> values;  // [padded_in, padded_out], root mean square exl3::kCodebookScale
  std::vector<float> su;      // [padded_in] input signs and scales
  std::vector<float> sv;      // [padded_out] output signs and scales; 0 where a column is all zero
};

/// Regularises weight [out, in] fp16, bf16 or fp32, finite, of any alignment. The seed says which
/// signs the search for good ones begins with. Every thread count gives the same bits.
RotatedWeight rotate_weight(const ConstTensor& weight, uint64_t seed, ThreadPool& pool);

/// Squared Frobenius norms.
struct WeightError {
  double error = 0.0;   // of the difference
  double weight = 0.0;  // of the original

  /// error / weight, 0 for a weight of zeros.
  double relative() const { return weight > 0.0 ? error / weight : 0.0; }
};

/// What remains of a weight after quantization, in the original basis. rotated.values is used up:
/// on entry the decoded values, afterwards meaningless. suh, svh: the scales as stored, fp16.
WeightError measure_error(
    const ConstTensor& weight, RotatedWeight& rotated, const std::vector<uint16_t>& suh,
    const std::vector<uint16_t>& svh, ThreadPool& pool
);

}  // namespace trellis
