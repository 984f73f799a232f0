// One position of one head in the cache, of any type: read and written number by number.
#pragma once

#include "backend/args.h"
#include "backend/reference/element.h"
#include "exl3/kv_quant.h"

namespace trellis::reference {

/// The channels of a row (KvSide::row), rotated back where they are quantized. out: [head_dim].
inline void load_kv_row(const KvSide& side, int64_t row, double* out) {
  const int64_t head_dim = side.head_dim();
  if (!is_quantized(side.type())) {
    for (int64_t i = 0; i < head_dim; ++i) {
      out[i] = load_element(side.numbers.data(), side.numbers.dtype(), row * head_dim + i);
    }
    return;
  }
  const int bits = kv_bits(side.type());
  for (int64_t group = 0; group < side.scales.row_size(); ++group) {
    exl3::KvCodes codes{};
    exl3::kv_unpack(side.numbers.row<uint32_t>(row) + group * bits, bits, codes.codes);
    codes.scale = side.scales.row<uint16_t>(row)[group];
    float channels[exl3::kKvGroup];
    exl3::kv_dequantize(codes, bits, channels);
    for (int i = 0; i < exl3::kKvGroup; ++i) out[group * exl3::kKvGroup + i] = channels[i];
  }
}

/// Rounds the channels of a head to the type of the cache. channels: [head_dim].
inline void store_kv_row(const KvSide& side, int64_t row, const float* channels) {
  const int64_t head_dim = side.head_dim();
  if (!is_quantized(side.type())) {
    for (int64_t i = 0; i < head_dim; ++i) {
      store_element(side.numbers.data(), side.numbers.dtype(), row * head_dim + i, channels[i]);
    }
    return;
  }
  const int bits = kv_bits(side.type());
  for (int64_t group = 0; group < side.scales.row_size(); ++group) {
    const exl3::KvCodes codes = exl3::kv_quantize(channels + group * exl3::kKvGroup, bits);
    exl3::kv_pack(codes.codes, bits, side.numbers.row<uint32_t>(row) + group * bits);
    side.scales.row<uint16_t>(row)[group] = codes.scale;
  }
}

}  // namespace trellis::reference
