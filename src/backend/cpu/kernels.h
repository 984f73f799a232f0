// The functions that exist once per instruction set, as a table of pointers: cpu_ops.cpp calls
// through it and knows no intrinsic. Everything here is plain data, so that a table compiled for
// AVX-512 can be linked into a program that runs on a machine without it. Kernels do not allocate,
// throw or start threads.
#pragma once

#include <cstdint>

namespace trellis::cpu {

/// EXL3 matrices are cut into blocks of 128 x 128 weights: one Hadamard block of inputs, one of
/// outputs.
inline constexpr int kBlock = 128;
/// A block is decoded in eight steps; each gives two columns of its 8 x 8 tiles: 2 * kBlock * 8
/// weights.
inline constexpr int kPanelWeights = 2 * kBlock * 8;
/// Rows of activations that share one decoding of the weights.
inline constexpr int kExl3RowBlock = 128;

/// What turns 128 integers of a row's transformed input back into numbers.
struct BlockScale {
  float scale = 0.0f;  // of one unit of activation times one unit of weight
  int32_t correction[2] = {
      0, 0
  };  // what the sums of the two halves of the lanes start from (mul1's affine offset)
  int32_t paired_correction[2] = {
      0, 0
  };  // the same less the products of the inputs of a pair, where kernels multiply pairs
};

/// The transformed input of an EXL3 layer, block by block so that the rows of one block lie
/// together. Within 128 inputs the order is [2][16][4]: half s, visit v and tile i hold input 64 s
/// + 16 i + r, where r is the row that a tile's steps visit v-th: 0, 1, 8, 9, 2, 3, 10, 11 and so
/// on.
struct Exl3Input {
  int64_t rows = 0;
  int64_t blocks = 0;            // padded_in / 128
  int16_t* integers = nullptr;   // [blocks, rows, 128] or null
  BlockScale* scales = nullptr;  // [blocks, rows]
  float* floats =
      nullptr;  // [blocks, rows, 128] or null: used when the layer must not round its input
};

/// An EXL3 matrix in the order of the kernels; see cpu_linear.h for the order of the words.
struct Exl3Matrix {
  int bits = 0;
  int codebook = 0;  // value of exl3::Codebook
  int64_t in_blocks = 0;
  int64_t out_blocks = 0;
  int64_t in_features = 0;
  int64_t out_features = 0;
  const uint32_t* words = nullptr;  // [out_blocks, in_blocks, 512 * bits]
  const float* suh = nullptr;       // [128 * in_blocks]
  const float* svh = nullptr;       // [128 * out_blocks]
  const float* bias = nullptr;      // [out_features] or null
};

/// Memory that one call of exl3_multiply needs for `rows` rows, in floats.
constexpr int64_t exl3_scratch_floats(int64_t rows) {
  return 2 * kPanelWeights + rows * 512;
}

enum class DenseType : uint8_t { kFloat32, kFloat16, kBFloat16 };

/// A dense matrix [out, in], each row padded with zeros to `stride` elements, a multiple of
/// kDenseAlign.
struct DenseMatrix {
  DenseType type = DenseType::kFloat32;
  int64_t out_features = 0;
  int64_t stride = 0;
  const void* weights = nullptr;
  const float* bias = nullptr;  // [out_features] or null
};
inline constexpr int64_t kDenseAlign = 16;

/// The channels of a quantized cache that share a scale, rotated together by a Hadamard transform.
inline constexpr int kKvGroup = 32;

/// Keys or values of one kv head: rows of head_dim fp16 or fp32 numbers, or of head_dim / kKvGroup
/// groups as exl3/kv_quant.h packs them.
struct KvRows {
  int bits = 16;                     // per number: 32 = fp32, 16 = fp16, 2 to 8 = quantized
  const void* numbers = nullptr;     // the head's first row in page 0; quantized: words
  const uint16_t* scales = nullptr;  // quantized: fp16, head_dim / kKvGroup of a row
  int64_t page_rows = 0;             // rows from page to page
};

/// Attention of consecutive rows of one sequence, for the query heads that share one kv head.
struct AttentionTask {
  int rows = 0;
  int group = 0;  // query heads of this kv head
  int head_dim = 0;
  int window = 0;  // 0: everything before
  float scale = 1.0f;
  const float* queries = nullptr;  // row 0's first head of the group; heads are head_dim apart
  int64_t query_stride = 0;        // floats from row to row
  float* output = nullptr;
  int64_t output_stride = 0;
  const int32_t* positions = nullptr;  // [rows]
  KvRows keys;
  KvRows values;
  const int32_t* page_table = nullptr;  // of this sequence
  float* scratch = nullptr;             // attention_scratch_floats(rows * group, head_dim)
};
inline constexpr int kAttentionRowBlock = 8;
inline constexpr int kSpan = 256;  // positions summed together; a page
constexpr int64_t attention_scratch_floats(int64_t queries, int64_t head_dim) {
  const int64_t padded = (head_dim + 15) / 16 * 16;
  return queries * (3 * padded + kSpan + 16) + 16 * padded;
}

struct KernelTable {
  const char* name;

  // Rows of n numbers.
  void (*rms_norm)(const float* x, const float* weight, float epsilon, float* y, int64_t n);
  void (*add)(float* x, const float* y, int64_t n);
  void (*silu_multiply)(const float* gate, const float* up, float* out, int64_t n);
  void (*widen_half)(const uint16_t* x, float* y, int64_t n);
  void (*widen_bfloat16)(const uint16_t* x, float* y, int64_t n);
  void (*narrow_half)(const float* x, uint16_t* y, int64_t n);
  /// Rotates pairs (i, i + half) of each of `heads` heads.
  void (*rotate)(
      float* x, const float* cosines, const float* sines, int64_t heads, int64_t head_dim,
      int64_t half
  );

  void (*attention)(const AttentionTask& task);

  /// y[r][n - begin] for outputs [begin, end) of every row. x: rows of `stride` floats (zeros after
  /// the inputs).
  void (*dense)(
      const DenseMatrix& matrix, int64_t begin, int64_t end, const float* x, int64_t x_stride,
      int64_t rows, float* y, int64_t y_stride
  );

  /// Scales a row's inputs by suh, transforms them, and fills the blocks [first_block, last_block)
  /// of row `row` of input (integers or floats, which is there).
  void (*exl3_prepare)(
      const Exl3Matrix& matrix, const float* x, int64_t row, int64_t first_block,
      int64_t last_block, const Exl3Input& input
  );
  /// The outputs of one block of 128, for rows [begin, end): y is row 0, column 0 of the whole
  /// output.
  void (*exl3_multiply)(
      const Exl3Matrix& matrix, int64_t out_block, const Exl3Input& input, int64_t begin,
      int64_t end, float* scratch, float* y, int64_t y_stride
  );
};

}  // namespace trellis::cpu
