#include "convert/rotated_weight.h"

#include "base/half.h"
#include "convert/random_signs.h"
#include "convert/rotation.h"
#include "convert/sign_search.h"
#include "exl3/codebook.h"
#include "exl3/hadamard.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace trellis {
namespace {

using exl3::kHadamardBlock;

/// Channels read and written together when a weight is transposed: one cache line of fp32.
constexpr int64_t kRowsTogether = 16;
/// A scale below this counts as that of an all-zero channel.
constexpr float kSmallestScale = 1e-30f;
constexpr float kScaleOfZeros = 0.1f;

int64_t padded(int64_t size) {
  return (size + kHadamardBlock - 1) / kHadamardBlock * kHadamardBlock;
}

/// Row `row` of weight [out, in] as fp32.
void read_row(const ConstTensor& weight, int64_t row, float* values) {
  const int64_t in = weight.dim(1);
  const auto element_bytes = static_cast<int64_t>(dtype_bytes(weight.dtype()));
  const char* bytes =
      static_cast<const char*>(weight.data()) + row * weight.row_stride() * element_bytes;
  if (weight.dtype() == DType::kFloat32) {
    std::memcpy(values, bytes, static_cast<size_t>(in) * sizeof(float));
    return;
  }
  for (int64_t k = 0; k < in; ++k) {
    uint16_t bits = 0;
    std::memcpy(&bits, bytes + k * element_bytes, sizeof(bits));
    values[k] = weight.dtype() == DType::kFloat16 ? half_to_float(bits) : bfloat16_to_float(bits);
  }
}

double sum_of_squares(const float* values, int64_t count) {
  double sum = 0.0;
  for (int64_t index = 0; index < count; ++index) {
    sum += static_cast<double>(values[index]) * values[index];
  }
  return sum;
}

float root_mean_square(const float* values, int64_t size, int64_t padded_size) {
  return static_cast<float>(
      std::sqrt(sum_of_squares(values, size) / static_cast<double>(padded_size))
  );
}

/// The root mean square of every output channel over the padded inputs: [padded_out].
std::vector<float> output_scales(
    const ConstTensor& weight, int64_t padded_in, int64_t padded_out, ThreadPool& pool
) {
  const int64_t in = weight.dim(1);
  std::vector<float> scales(static_cast<size_t>(padded_out));
  pool.for_each(weight.dim(0), kRowsTogether, [&](int64_t begin, int64_t end, int) {
    std::vector<float> row(static_cast<size_t>(in));
    for (int64_t n = begin; n < end; ++n) {
      read_row(weight, n, row.data());
      scales[static_cast<size_t>(n)] = root_mean_square(row.data(), in, padded_in);
    }
  });
  return scales;
}

/// values[in, out] = transposed weight, column n divided by divisors[n].
void transpose_scaled(
    const ConstTensor& weight, const std::vector<float>& divisors, RotatedWeight& rotated,
    ThreadPool& pool
) {
  const int64_t out = weight.dim(0);
  const int64_t in = weight.dim(1);
  pool.for_each(out, kRowsTogether, [&](int64_t begin, int64_t end, int) {
    std::vector<float> rows(static_cast<size_t>(kRowsTogether * in));
    for (int64_t first = begin; first < end; first += kRowsTogether) {
      const int64_t count = std::min(kRowsTogether, end - first);
      for (int64_t n = 0; n < count; ++n) read_row(weight, first + n, rows.data() + n * in);
      for (int64_t k = 0; k < in; ++k) {
        float* target = rotated.values.data() + k * rotated.padded_out + first;
        for (int64_t n = 0; n < count; ++n) {
          target[n] =
              rows[static_cast<size_t>(n * in + k)] / divisors[static_cast<size_t>(first + n)];
        }
      }
    }
  });
}

/// Divides scales by their mean and puts something harmless where a channel is all zero.
void normalise(std::vector<float>& scales) {
  double sum = 0.0;
  for (const float scale : scales) sum += scale;
  const double mean = sum / static_cast<double>(scales.size());
  for (float& scale : scales) {
    if (mean > kSmallestScale) scale = static_cast<float>(scale / mean);
    if (scale < kSmallestScale) scale = kScaleOfZeros;
  }
}

/// Multiplies values and scales by the signs of their channels.
void apply_signs(
    const std::vector<float>& in_signs, const std::vector<float>& out_signs, RotatedWeight& rotated,
    ThreadPool& pool
) {
  for (size_t n = 0; n < out_signs.size(); ++n) {
    if (rotated.sv[n] != 0.0f) rotated.sv[n] *= out_signs[n];  // no negative zeros in the file
  }
  for (size_t k = 0; k < in_signs.size(); ++k) rotated.su[k] *= in_signs[k];
  pool.for_each(rotated.padded_in, kRowsTogether, [&](int64_t begin, int64_t end, int) {
    for (int64_t k = begin; k < end; ++k) {
      float* row = rotated.values.data() + k * rotated.padded_out;
      const float sign = in_signs[static_cast<size_t>(k)];
      for (size_t n = 0; n < out_signs.size(); ++n) row[n] *= sign * out_signs[n];
    }
  });
}

}  // namespace

RotatedWeight rotate_weight(const ConstTensor& weight, uint64_t seed, ThreadPool& pool) {
  RotatedWeight rotated;
  rotated.padded_in = padded(weight.dim(1));
  rotated.padded_out = padded(weight.dim(0));
  const int64_t in = rotated.padded_in;
  const int64_t out = rotated.padded_out;
  rotated.values.resize(static_cast<size_t>(in * out));
  rotated.sv = output_scales(weight, in, out, pool);
  std::vector<bool> is_zero(rotated.sv.size());
  for (size_t n = 0; n < rotated.sv.size(); ++n) is_zero[n] = rotated.sv[n] == 0.0f;
  normalise(rotated.sv);
  transpose_scaled(weight, rotated.sv, rotated, pool);
  for (size_t n = 0; n < rotated.sv.size(); ++n) {
    if (is_zero[n]) rotated.sv[n] = 0.0f;
  }
  rotated.su.resize(static_cast<size_t>(in));
  pool.for_each(in, kRowsTogether, [&](int64_t begin, int64_t end, int) {
    for (int64_t k = begin; k < end; ++k) {
      float* row = rotated.values.data() + k * out;
      float scale = root_mean_square(row, out, out);  // the rotation will keep it
      if (scale < kSmallestScale) scale = kScaleOfZeros;
      const float divisor = scale / exl3::kCodebookScale;
      for (int64_t n = 0; n < out; ++n) row[n] /= divisor;
      rotated.su[static_cast<size_t>(k)] = divisor;
    }
  });

  RandomSigns random(seed);
  std::vector<float> out_signs(rotated.sv.size());
  std::vector<float> in_signs(rotated.su.size());
  for (float& sign : out_signs) sign = random.next();
  for (float& sign : in_signs) sign = random.next();
  search_signs(rotated.values, in_signs, out_signs, pool);
  apply_signs(in_signs, out_signs, rotated, pool);
  rotate_columns(rotated.values.data(), in, out, pool);
  rotate_rows(rotated.values.data(), in, out, pool);
  return rotated;
}

WeightError measure_error(
    const ConstTensor& weight, RotatedWeight& rotated, const std::vector<uint16_t>& suh,
    const std::vector<uint16_t>& svh, ThreadPool& pool
) {
  const int64_t out = rotated.padded_out;
  float* values = rotated.values.data();
  rotate_rows(values, rotated.padded_in, out, pool);
  pool.for_each(rotated.padded_in, kRowsTogether, [&](int64_t begin, int64_t end, int) {
    for (int64_t k = begin; k < end; ++k) {
      const float scale = half_to_float(suh[static_cast<size_t>(k)]);
      for (int64_t n = 0; n < out; ++n) values[k * out + n] *= scale;
    }
  });
  rotate_columns(values, rotated.padded_in, out, pool);

  const int64_t in = weight.dim(1);
  std::vector<WeightError> by_channel(static_cast<size_t>(weight.dim(0)));
  pool.for_each(weight.dim(0), kRowsTogether, [&](int64_t begin, int64_t end, int) {
    std::vector<float> row(static_cast<size_t>(in));
    for (int64_t n = begin; n < end; ++n) {
      read_row(weight, n, row.data());
      WeightError& channel = by_channel[static_cast<size_t>(n)];
      channel.weight = sum_of_squares(row.data(), in);
      const float scale = half_to_float(svh[static_cast<size_t>(n)]);
      for (int64_t k = 0; k < in; ++k) row[static_cast<size_t>(k)] -= values[k * out + n] * scale;
      channel.error = sum_of_squares(row.data(), in);
    }
  });
  WeightError total;
  for (const WeightError& channel : by_channel) {
    total.error += channel.error;
    total.weight += channel.weight;
  }
  return total;
}

}  // namespace trellis
