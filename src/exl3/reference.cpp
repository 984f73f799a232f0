#include "exl3/reference.h"

#include "base/error.h"
#include "base/half.h"
#include "exl3/hadamard.h"
#include "exl3/tile_order.h"
#include "exl3/trellis.h"

#include <cmath>

namespace trellis::exl3 {
namespace {

const double kOrthonormal = 1.0 / std::sqrt(static_cast<double>(kHadamardBlock));

void check(const LinearView& linear) {
  TRELLIS_CHECK(
      linear.bits >= kMinBits && linear.bits <= kMaxBits, "a layer has 1 to 8 bits per weight"
  );
  TRELLIS_CHECK(
      linear.padded_in % kHadamardBlock == 0 && linear.padded_out % kHadamardBlock == 0,
      "padded sizes are multiples of 128"
  );
}

/// Rotates each block of 128 of a row of `size` values, `stride` elements apart.
void rotate(double* values, int64_t size, int64_t stride) {
  for (int64_t begin = 0; begin < size; begin += kHadamardBlock) {
    hadamard<kHadamardBlock>(values + begin * stride, stride);
  }
  for (int64_t index = 0; index < size; ++index) values[index * stride] *= kOrthonormal;
}

}  // namespace

std::vector<uint16_t> decode_inner(const LinearView& linear) {
  check(linear);
  const int64_t tile_rows = linear.padded_in / kTileSize;
  const int64_t tile_columns = linear.padded_out / kTileSize;
  std::vector<uint16_t> inner(static_cast<size_t>(linear.padded_in * linear.padded_out));
  uint32_t words[tile_words(kMaxBits)];
  for (int64_t tile_row = 0; tile_row < tile_rows; ++tile_row) {
    for (int64_t tile_column = 0; tile_column < tile_columns; ++tile_column) {
      load_tile(linear.trellis, tile_row * tile_columns + tile_column, linear.bits, words);
      for (int step = 0; step < kTileWeights; ++step) {
        const TilePosition position = position_of_step(step);
        const int64_t row = tile_row * kTileSize + position.row;
        const int64_t column = tile_column * kTileSize + position.column;
        inner[static_cast<size_t>(row * linear.padded_out + column)] =
            decode(linear.codebook, state_at(words, linear.bits, step));
      }
    }
  }
  return inner;
}

std::vector<float> reconstruct(const LinearView& linear) {
  const std::vector<uint16_t> inner = decode_inner(linear);
  const int64_t out = linear.padded_out;
  std::vector<double> weights(inner.size());
  for (size_t index = 0; index < inner.size(); ++index)
    weights[index] = half_to_float(inner[index]);
  for (int64_t row = 0; row < linear.padded_in; ++row) rotate(&weights[row * out], out, 1);
  for (int64_t column = 0; column < out; ++column) {
    rotate(weights.data() + column, linear.padded_in, out);
  }

  std::vector<float> result(weights.size());
  for (int64_t row = 0; row < linear.padded_in; ++row) {
    const double row_scale = half_to_float(linear.suh[row]);
    for (int64_t column = 0; column < out; ++column) {
      const auto index = static_cast<size_t>(row * out + column);
      const double column_scale = half_to_float(linear.svh[column]);
      result[index] = static_cast<float>(row_scale * weights[index] * column_scale);
    }
  }
  return result;
}

void apply(const LinearView& linear, const double* x, int64_t rows, const double* bias, double* y) {
  const std::vector<uint16_t> inner = decode_inner(linear);
  const int64_t in = linear.padded_in;
  const int64_t out = linear.padded_out;
  std::vector<double> rotated(static_cast<size_t>(in));
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t k = 0; k < in; ++k) {
      rotated[static_cast<size_t>(k)] = x[row * in + k] * half_to_float(linear.suh[k]);
    }
    rotate(rotated.data(), in, 1);

    double* result = y + row * out;
    for (int64_t n = 0; n < out; ++n) result[n] = 0.0;
    for (int64_t k = 0; k < in; ++k) {
      const uint16_t* weights = inner.data() + k * out;
      for (int64_t n = 0; n < out; ++n) {
        result[n] += rotated[static_cast<size_t>(k)] * half_to_float(weights[n]);
      }
    }
    rotate(result, out, 1);
    for (int64_t n = 0; n < out; ++n) {
      result[n] = result[n] * half_to_float(linear.svh[n]) + (bias != nullptr ? bias[n] : 0.0);
    }
  }
}

}  // namespace trellis::exl3
