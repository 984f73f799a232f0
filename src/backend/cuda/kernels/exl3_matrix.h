// An EXL3 matrix in this backend's memory: what every kernel of a quantized linear layer takes.
#pragma once

#include "backend/cuda/exl3_layout.h"
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

/// What the products leave of a layer: its outputs are svh * H(sum of the parts of inner) + bias.
struct Exl3Products {
  const uint16_t* svh = nullptr;
  const float* bias = nullptr;  // or null
  float* inner = nullptr;       // [parts, rows, padded_out]
  int64_t padded_out = 0;
  int64_t out_features = 0;
  int parts = 1;
  int64_t part_size = 0;  // rows * padded_out
};

inline Exl3Products products_of(const Exl3Matrix& matrix, float* inner, int parts, int64_t rows) {
  return {
      matrix.svh,
      matrix.bias,
      inner,
      matrix.padded_out(),
      matrix.out_features,
      parts,
      rows * matrix.padded_out()
  };
}

}  // namespace trellis::cuda
