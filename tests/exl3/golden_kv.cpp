#include "base/half.h"
#include "exl3/golden_file.h"
#include "exl3/kv_quant.h"

#include <gtest/gtest.h>

namespace trellis::golden {

void check_kv(const SafetensorsFile& file) {
  const auto x = read<uint16_t>(file, "x", DType::kFloat16, 2);
  const auto words = read<uint32_t>(file, "words", DType::kInt32, 2);
  const auto scales = read<uint16_t>(file, "scales", DType::kFloat16, 2);
  const auto dequantized = read<uint16_t>(file, "dequant", DType::kFloat16, 2);
  const int64_t rows = x.shape[0];
  const int64_t groups = x.shape[1] / exl3::kKvGroup;
  if (rows == 0 || groups == 0 || groups * exl3::kKvGroup != x.shape[1]) {
    throw UserError("x has shape {}, expected rows of groups of 32", x.shape.to_string());
  }
  const auto bits = static_cast<int>(words.shape[1] / groups);
  if (bits < exl3::kMinKvBits || bits > exl3::kMaxKvBits) {
    throw UserError("words has shape {}, which is not 2 to 8 bits", words.shape.to_string());
  }
  expect_shape("words", words.shape, {rows, groups * bits});
  expect_shape("scales", scales.shape, {rows, groups});
  expect_shape("dequant", dequantized.shape, x.shape);

  for (size_t group = 0; group < static_cast<size_t>(rows * groups); ++group) {
    float channels[exl3::kKvGroup];
    for (size_t j = 0; j < exl3::kKvGroup; ++j) {
      channels[j] = half_to_float(x.data[group * exl3::kKvGroup + j]);
    }
    const exl3::KvCodes codes = exl3::kv_quantize(channels, bits);
    uint32_t packed[exl3::kMaxKvBits];
    exl3::kv_pack(codes.codes, bits, packed);

    ASSERT_EQ(codes.scale, scales.data[group]) << "scale of group " << group;
    for (size_t word = 0; word < static_cast<size_t>(bits); ++word) {
      ASSERT_EQ(packed[word], words.data[group * static_cast<size_t>(bits) + word])
          << "word " << word << " of group " << group;
    }
    exl3::KvCodes stored{};
    stored.scale = scales.data[group];
    exl3::kv_unpack(words.data.data() + group * static_cast<size_t>(bits), bits, stored.codes);
    exl3::kv_dequantize(stored, bits, channels);
    for (size_t j = 0; j < exl3::kKvGroup; ++j) {
      ASSERT_EQ(float_to_half(channels[j]), dequantized.data[group * exl3::kKvGroup + j])
          << "channel " << j << " of group " << group;
    }
  }
}

}  // namespace trellis::golden
