// Which kernel computes what: every choice that depends on rows, bits, sizes and the device, as
// plain numbers that print themselves. Ops ask here and compute; nothing here touches a device.
#pragma once

#include "backend/block_sizes.h"
#include "backend/cuda/product_tile.h"
#include "exl3/codebook.h"
#include "tensor/dtype.h"

#include <cstdint>
#include <string>

namespace trellis::cuda {

/// What the choice of kernels depends on.
struct DeviceLimits {
  int num_sms = 0;
  int64_t shared_bytes = 0;   // that a CTA can ask for
  int64_t slice_bytes = 0;    // of decoded weights that may exist at a time
  bool has_wgmma = false;     // a GPU of sm_90 and code for sm_90a: many rows take its kernels
  bool has_clusters = false;  // CTAs can share a row: sm_90
};

/// Calls of so many rows take the kernels for few rows, larger ones those of the tensor cores. What
/// is rounded, and so the bits of a row, depends on this number alone. Two passes of the GEMV beat
/// one over tiles of rows.
inline constexpr int64_t kFewRows = 16;

/// Bytes of decoded weights that may exist at a time on a GPU with so much memory.
int64_t slice_bytes(int64_t memory_bytes);

/// EXL3 matrices of one launch: the same bits, codebook and inputs.
struct MatrixSizes {
  int bits = 0;
  exl3::Codebook codebook = exl3::Codebook::kMul1;
  int64_t padded_in = 0;
  int64_t padded_out = 0;  // of all matrices together
};

/// How a pass over the weights of layers that share an input multiplies its rounded rows.
struct Pass {
  int64_t rows = 0;              // that it serves
  bool is_staged = false;        // by exl3_product(), or by the GEMV
  ProductSegments segments;      // of the inputs: the parts of the products; by the GEMV one
  ProductTile tile;              // by exl3_product()
  DType sums = DType::kFloat32;  // what the products are left in, or fp16

  explicit operator bool() const { return rows > 0; }
  bool operator==(const Pass&) const = default;
};

/// None where activations are exact, or a row is too long for both kernels.
Pass choose_pass(const DeviceLimits& limits, bool is_exact, const MatrixSizes& sizes, int64_t rows);

/// How many times the memory of its outputs in fp32 a product takes.
constexpr int64_t product_room(int64_t parts, DType sums) {
  return (parts * static_cast<int64_t>(dtype_bytes(sums)) + 3) / 4;
}

/// The most of it that a pass over a matrix of up to so many inputs needs, whatever its bits.
int64_t most_product_room(int64_t rows, int64_t inputs, int64_t columns);

/// Columns that are decoded at a time, for a matrix that no pass multiplies.
int64_t slice_columns(const DeviceLimits& limits, int64_t padded_in, int64_t padded_out);

/// The way of an EXL3 layer, or of several in one launch.
struct LinearPlan {
  enum class Kernel : uint8_t { kGemv, kProduct, kDenseSlices };

  Kernel kernel = Kernel::kGemv;
  Pass pass;                  // kGemv, kProduct
  int64_t slice_columns = 0;  // kDenseSlices: decoded at a time

  bool operator==(const LinearPlan&) const = default;
  /// "exl3_gemv, 8 rows a pass", "exl3_wgmma, tiles of 128 x 64, segments: 2"
  std::string to_string() const;
};

LinearPlan plan_linear(
    const DeviceLimits& limits, bool is_exact, const MatrixSizes& sizes, int64_t rows
);

struct AttentionSizes {
  int heads = 0;
  int kv_heads = 0;
  int head_dim = 0;
  int key_bits = 16;  // of a number in the cache
  int value_bits = 16;
};

enum class AttentionKernel : uint8_t { kSpans, kFlash, kFlashWgmma };

/// "attention", "flash_attention", "flash_wgmma"
std::string to_string(AttentionKernel kernel);

AttentionKernel choose_attention(
    const DeviceLimits& limits, bool is_exact, const AttentionSizes& sizes, int64_t rows
);

/// CTAs that share a row where inputs are staged: few rows leave a GPU idle otherwise.
int row_ctas(const DeviceLimits& limits, int64_t rows);

/// Numbers of a row that a CTA of exl3_rope_store() holds: whole heads and whole blocks of 128.
int rope_store_numbers(int64_t rows, int heads, int kv_heads, int head_dim);

/// The products and the attention of a block for so many rows, in a line.
std::string describe_block(
    const DeviceLimits& limits, bool is_exact, const BlockSizes& sizes, int64_t rows
);

}  // namespace trellis::cuda
