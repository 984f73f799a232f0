#include "base/half.h"
#include "exl3/golden_file.h"
#include "exl3/hadamard.h"
#include "exl3/reference.h"
#include "exl3/signs.h"
#include "exl3/trellis.h"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>

namespace trellis::golden {
namespace {

/// The channel factors `name` + "h" [channels], or those of the legacy sign bits `name`.
std::vector<uint16_t> read_factors(
    const SafetensorsFile& file, const std::string& name, int64_t channels
) {
  if (file.has(name + "h")) {
    const auto factors = read<uint16_t>(file, name + "h", DType::kFloat16, 1);
    expect_shape(name + "h", factors.shape, {channels});
    return factors.data;
  }
  const auto signs = read<uint16_t>(file, name, DType::kInt16, 1);
  expect_shape(name, signs.shape, {channels / 16});
  std::vector<uint16_t> factors(static_cast<size_t>(channels));
  exl3::expand_signs(signs.data.data(), channels, factors.data());
  return factors;
}

exl3::Codebook read_codebook(const SafetensorsFile& file) {
  if (file.has("mcg") && file.has("mul1")) throw UserError("both mcg and mul1 are present");
  if (file.has("mcg")) {
    EXPECT_EQ(read<uint32_t>(file, "mcg", DType::kInt32, 0).data[0], exl3::kMcgMultiplier);
    return exl3::Codebook::kMcg;
  }
  if (file.has("mul1")) {
    EXPECT_EQ(read<uint32_t>(file, "mul1", DType::kInt32, 0).data[0], exl3::kMul1Multiplier);
    return exl3::Codebook::kMul1;
  }
  return exl3::Codebook::k3inst;
}

void rotate_fp32(std::vector<float>& values) {
  for (size_t begin = 0; begin < values.size(); begin += exl3::kHadamardBlock) {
    exl3::hadamard<exl3::kHadamardBlock>(values.data() + begin);
  }
  for (float& value : values) value *= exl3::kHadamardScale;
}

/// One row through the fp16 pipeline, rounded where a device rounds; the product itself is exact.
std::vector<uint16_t> apply_fp16(
    const exl3::LinearView& linear, const std::vector<uint16_t>& inner, const uint16_t* x,
    const uint16_t* bias
) {
  const auto in = static_cast<size_t>(linear.padded_in);
  const auto out = static_cast<size_t>(linear.padded_out);
  const auto rounded = [](float value) { return half_to_float(float_to_half(value)); };
  std::vector<float> rotated(in);
  for (size_t k = 0; k < in; ++k) {
    rotated[k] = rounded(half_to_float(linear.suh[k]) * half_to_float(x[k]));
  }
  rotate_fp32(rotated);

  std::vector<double> sums(out);
  for (size_t k = 0; k < in; ++k) {
    const double factor = rounded(rotated[k]);
    for (size_t n = 0; n < out; ++n) sums[n] += factor * half_to_float(inner[k * out + n]);
  }
  std::vector<float> result(sums.begin(), sums.end());
  rotate_fp32(result);
  std::vector<uint16_t> y(out);
  for (size_t n = 0; n < out; ++n) {
    const float scaled = rounded(rounded(result[n]) * half_to_float(linear.svh[n]));
    y[n] = float_to_half(bias == nullptr ? scaled : scaled + half_to_float(bias[n]));
  }
  return y;
}

}  // namespace

void check_linear(const SafetensorsFile& file) {
  const auto trellis = read<uint16_t>(file, "trellis", DType::kInt16, 3);
  const int64_t in = 16 * trellis.shape[0];
  const int64_t out = 16 * trellis.shape[1];
  const auto bits = static_cast<int>(trellis.shape[2] / 16);
  if (in == 0 || out == 0 || in % exl3::kHadamardBlock != 0 || out % exl3::kHadamardBlock != 0 ||
      trellis.shape[2] != 16 * bits || bits < exl3::kMinBits || bits > exl3::kMaxBits) {
    throw UserError("trellis has the impossible shape {}", trellis.shape.to_string());
  }
  const std::vector<uint16_t> suh = read_factors(file, "su", in);
  const std::vector<uint16_t> svh = read_factors(file, "sv", out);
  // The tiles straight from the file, at whatever alignment they have there.
  const exl3::LinearView linear = {
      in, out, bits, read_codebook(file), file.tensor("trellis").data(), suh.data(), svh.data()
  };

  const auto states = read<uint16_t>(file, "states_tile0", DType::kInt16, 1);
  expect_shape("states_tile0", states.shape, {exl3::kTileWeights});
  uint32_t words[exl3::tile_words(exl3::kMaxBits)];
  exl3::load_tile(linear.trellis, 0, bits, words);
  for (int step = 0; step < exl3::kTileWeights; ++step) {
    ASSERT_EQ(exl3::state_at(words, bits, step), states.data[static_cast<size_t>(step)])
        << "state of step " << step;
  }

  const auto inner = read<uint16_t>(file, "w_inner", DType::kFloat16, 2);
  expect_shape("w_inner", inner.shape, {in, out});
  const std::vector<uint16_t> decoded = exl3::decode_inner(linear);
  for (size_t index = 0; index < decoded.size(); ++index) {
    ASSERT_EQ(decoded[index], inner.data[index]) << "w_inner at " << index;
  }

  const auto x = read<uint16_t>(file, "x", DType::kFloat16, 2);
  const int64_t rows = x.shape[0];
  expect_shape("x", x.shape, {rows, in});
  const auto exact = read<float>(file, "y_exact", DType::kFloat32, 2);
  expect_shape("y_exact", exact.shape, {rows, out});
  const auto fp16 = read<uint16_t>(file, "y_f16", DType::kFloat16, 2);
  expect_shape("y_f16", fp16.shape, {rows, out});
  std::optional<Values<uint16_t>> bias;
  if (file.has("bias")) {
    bias = read<uint16_t>(file, "bias", DType::kFloat16, 1);
    expect_shape("bias", bias->shape, {out});
  }
  if (rows == 0) throw UserError("x has no rows");

  std::vector<double> wide_x;
  for (const uint16_t value : x.data) wide_x.push_back(half_to_float(value));
  std::vector<double> wide_bias;
  if (bias) {
    for (const uint16_t value : bias->data) wide_bias.push_back(half_to_float(value));
  }
  std::vector<double> y(static_cast<size_t>(rows * out));
  exl3::apply(linear, wide_x.data(), rows, bias ? wide_bias.data() : nullptr, y.data());
  double largest = 0.0;
  for (const double value : y) largest = std::fmax(largest, std::fabs(value));
  for (size_t index = 0; index < y.size(); ++index) {
    // float64 sums in another order, then one rounding to float.
    ASSERT_NEAR(y[index], exact.data[index], 1e-7 * std::fabs(y[index]) + 1e-13 * largest)
        << "y_exact at " << index;
  }

  for (int64_t row = 0; row < rows; ++row) {
    const std::vector<uint16_t> row_y =
        apply_fp16(linear, decoded, x.data.data() + row * in, bias ? bias->data.data() : nullptr);
    for (size_t n = 0; n < row_y.size(); ++n) {
      ASSERT_EQ(row_y[n], fp16.data[static_cast<size_t>(row * out) + n])
          << "y_f16, row " << row << ", column " << n;
    }
  }
}

}  // namespace trellis::golden
