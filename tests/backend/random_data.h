// Reproducible random numbers for inputs: the seed is all there is to know of a case's data.
#pragma once

#include "base/half.h"
#include "tensor/dtype.h"

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

namespace trellis::test {

class RandomData {
 public:
  explicit RandomData(uint64_t seed) : engine_(seed) {}

  /// From a normal distribution of mean 0.
  float normal(float deviation = 1.0f) {
    return std::normal_distribution<float>(0.0f, deviation)(engine_);
  }
  std::vector<float> normals(int64_t count, float deviation = 1.0f) {
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = normal(deviation);
    return values;
  }
  /// From [low, high), evenly.
  std::vector<float> uniforms(int64_t count, float low, float high) {
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = std::uniform_real_distribution<float>(low, high)(engine_);
    return values;
  }
  /// From [0, below), evenly.
  int32_t integer(int64_t below) {
    return static_cast<int32_t>(engine_() % static_cast<uint64_t>(below));
  }
  std::vector<int32_t> integers(int64_t count, int64_t below) {
    std::vector<int32_t> values(static_cast<size_t>(count));
    for (int32_t& value : values) value = integer(below);
    return values;
  }
  /// 0 to count - 1 in random order.
  std::vector<int32_t> permutation(int64_t count) {
    std::vector<int32_t> values(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) values[static_cast<size_t>(i)] = static_cast<int32_t>(i);
    std::shuffle(values.begin(), values.end(), engine_);
    return values;
  }
  std::vector<uint16_t> words(int64_t count) {
    std::vector<uint16_t> values(static_cast<size_t>(count));
    for (uint16_t& value : values) value = static_cast<uint16_t>(engine_() >> 48);
    return values;
  }

 private:
  std::mt19937_64 engine_;
};

/// Rounds to fp16 or bf16 bit patterns.
inline std::vector<uint16_t> narrow(const std::vector<float>& values, DType dtype) {
  std::vector<uint16_t> bits;
  for (const float value : values) {
    bits.push_back(dtype == DType::kFloat16 ? float_to_half(value) : float_to_bfloat16(value));
  }
  return bits;
}

}  // namespace trellis::test
