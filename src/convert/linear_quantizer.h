// Quantizes one linear layer to EXL3 without calibration: choose signs, rotate, search the gain,
// encode every tile, keep signs and scales as halves. What it makes is what a file stores
// (docs/exl3.md).
#pragma once

#include "base/thread_pool.h"
#include "exl3/codebook.h"
#include "exl3/reference.h"
#include "tensor/tensor.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace trellis {

struct LinearQuantizerOptions {
  int bits = 4;  // 1 to 8
  exl3::Codebook codebook = exl3::Codebook::kMul1;
  uint64_t seed = 0;  // of the signs that the search for good ones begins with
};

/// The tensors of one EXL3 layer, sizes padded to multiples of 128.
struct QuantizedLinear {
  int bits = 0;
  exl3::Codebook codebook = exl3::Codebook::kMul1;
  int64_t padded_in = 0;
  int64_t padded_out = 0;
  std::vector<uint16_t> trellis;  // [padded_in / 16, padded_out / 16, 16 * bits]
  std::vector<uint16_t> suh;      // [padded_in] fp16
  std::vector<uint16_t> svh;      // [padded_out] fp16
  float gain = 1.0f;              // what the search chose
  double relative_error = 0.0;    // ||W - W'||^2 / ||W||^2 in the original basis

  exl3::LinearView view() const {
    return {padded_in, padded_out, bits, codebook, trellis.data(), suh.data(), svh.data()};
  }
};

/// Hears now and then which share of the layer is done, 0 to 1; returns false to stop.
using LinearProgress = std::function<bool(double done)>;

/// Quantizes weight [out, in] fp16, bf16 or fp32, finite, of any alignment. Needs 8 bytes of memory
/// per weight, and less than 9 MB per thread. The same weight and options give the same bits with
/// every number of threads and on every machine. Returns nothing if progress asked to stop.
/// Throws UserError if the weights are too large for fp16 scales.
std::optional<QuantizedLinear> quantize_linear(
    const ConstTensor& weight, const LinearQuantizerOptions& options, ThreadPool& pool,
    const LinearProgress& progress = {}
);

}  // namespace trellis
