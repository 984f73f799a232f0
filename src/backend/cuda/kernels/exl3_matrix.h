// An EXL3 matrix in this backend's memory: what every kernel of a quantized linear layer takes.
#pragma once

#include "backend/cuda/exl3_layout.h"
#include "backend/cuda/kernels/float_type.h"
#include "exl3/codebook.h"

#include <cstdint>

namespace trellis::cuda {

/// Matrices that share an input and a launch: q, k and v, or gate and up.
inline constexpr int kMostMatrices = 4;

/// y = svh * H(Wt^T H(suh * x)) + bias. Device pointers.
struct Exl3Matrix {
  Exl3Layout layout;
  exl3::Codebook codebook = exl3::Codebook::kMul1;
  const uint32_t* words = nullptr;  // layout.words(), in the order of exl3_layout.h
  const uint16_t* suh = nullptr;    // [padded_in] fp16
  const uint16_t* svh = nullptr;    // [padded_out] fp16
  const float* bias = nullptr;      // [out_features] or null
  int64_t in_features = 0;
  int64_t out_features = 0;

  int64_t padded_in() const { return layout.in_tiles * kTileSize; }
  int64_t padded_out() const { return layout.out_tiles * kTileSize; }
};

/// What the products leave of a layer: its outputs are svh * H(unit of the row * sum of the parts
/// of inner) + bias.
struct Exl3Products {
  const uint16_t* svh = nullptr;
  const float* bias = nullptr;           // or null
  void* inner = nullptr;                 // [parts, rows, padded_out]
  FloatType type = FloatType::kFloat32;  // of inner, or fp16
  const float* units = nullptr;          // [rows]; null, which fp16 has not: 1
  int64_t padded_out = 0;
  int64_t out_features = 0;
  int parts = 1;
  int64_t part_size = 0;  // rows * padded_out
};

/// One part, in fp32 and no unit.
inline Exl3Products products_of(const Exl3Matrix& matrix, void* inner, int64_t rows) {
  Exl3Products products;
  products.svh = matrix.svh;
  products.bias = matrix.bias;
  products.inner = inner;
  products.padded_out = matrix.padded_out();
  products.out_features = matrix.out_features;
  products.part_size = rows * matrix.padded_out();
  return products;
}

}  // namespace trellis::cuda
