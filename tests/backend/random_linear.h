// Random linear layers in every format, as a checkpoint would deliver them.
#pragma once

#include "backend/linear_weight.h"
#include "backend/random_data.h"

#include <optional>
#include <string>
#include <vector>

namespace trellis::test {

/// Dense of a dtype, or EXL3 of some bits and a codebook.
struct WeightFormat {
  DType dtype = DType::kFloat32;
  int bits = 0;  // 0: dense
  exl3::Codebook codebook = exl3::Codebook::k3inst;

  static WeightFormat dense(DType dtype) { return {dtype}; }
  static WeightFormat exl3(int bits, exl3::Codebook codebook) {
    return {DType::kInt16, bits, codebook};
  }
  bool is_exl3() const { return bits > 0; }
  std::string name() const;
};

/// "bf16" or "fp32" layers and EXL3 ones: everything a layer can be.
std::vector<WeightFormat> dense_formats();
std::vector<WeightFormat> exl3_formats();

struct LinearShape {
  int64_t in = 0;
  int64_t out = 0;
  int64_t rows = 0;
  bool bias = false;
};

/// Owns what weight() looks at. Must outlive every use of it, but not the packed layer.
class RandomLinear {
 public:
  /// EXL3 sizes are padded up to multiples of 128; the last scales of the outputs are zero now and
  /// then, as in files.
  RandomLinear(const WeightFormat& format, const LinearShape& shape, uint64_t seed);
  RandomLinear(const RandomLinear&) = delete;
  RandomLinear& operator=(const RandomLinear&) = delete;

  const LinearWeight& weight() const { return weight_; }

 private:
  ConstTensor keep(const std::vector<float>& values, Shape shape, DType dtype);

  std::vector<std::vector<char>> storage_;
  LinearWeight weight_;
};

}  // namespace trellis::test
