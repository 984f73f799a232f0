#include "backend/reference/element.h"
#include "backend/reference/reference_linear.h"
#include "backend/reference/reference_ops.h"
#include "exl3/hadamard.h"
#include "exl3/reference.h"

#include <cmath>

namespace trellis::reference {
namespace {

void check_float(ConstTensor tensor, const char* what) {
  const DType dtype = tensor.dtype();
  if (dtype == DType::kFloat32 || dtype == DType::kFloat16 || dtype == DType::kBFloat16) return;
  throw UserError(
      "a {} of type {} cannot be computed; F32, F16 and BF16 can", what, dtype_name(dtype)
  );
}

/// The first `count` numbers of a vector; none when it is empty.
std::vector<double> widen(ConstTensor vector, int64_t count) {
  std::vector<double> numbers;
  if (vector.empty()) return numbers;
  check_float(vector, "bias");
  for (int64_t i = 0; i < count; ++i)
    numbers.push_back(load_element(vector.data(), vector.dtype(), i));
  return numbers;
}

std::vector<double> widen(const std::vector<uint16_t>& halves) {
  std::vector<double> numbers;
  for (const uint16_t half : halves) numbers.push_back(half_to_float(half));
  return numbers;
}

/// Turns each block of 128 numbers by the orthonormal Hadamard matrix.
void rotate(std::vector<double>& numbers) {
  const double scale = 1.0 / std::sqrt(double{exl3::kHadamardBlock});
  for (size_t begin = 0; begin < numbers.size(); begin += exl3::kHadamardBlock) {
    exl3::hadamard<exl3::kHadamardBlock>(&numbers[begin]);
  }
  for (double& number : numbers) number *= scale;
}

void multiply(std::vector<double>& numbers, const std::vector<double>& factors) {
  for (size_t i = 0; i < factors.size(); ++i) numbers[i] *= factors[i];
}

}  // namespace

ReferenceLinear::ReferenceLinear(const Backend& owner, const LinearWeight& weight)
    : PackedLinear(owner, input_size(weight), output_size(weight)) {
  std::visit([this](const auto& kind) { pack(kind); }, weight);
}

void ReferenceLinear::pack(const DenseWeight& weight) {
  check_float(weight.weight, "weight");
  format_ = dtype_name(weight.weight.dtype());
  bias_ = widen(weight.bias, out_features());
  matrix_.resize(static_cast<size_t>(weight.weight.numel()));
  for (int64_t row = 0; row < out_features(); ++row) {
    for (int64_t i = 0; i < in_features(); ++i) {
      matrix_[static_cast<size_t>(row * in_features() + i)] = static_cast<float>(load_element(
          weight.weight.data(), weight.weight.dtype(), row * weight.weight.row_stride() + i
      ));
    }
  }
}

void ReferenceLinear::pack(const Exl3Weight& weight) {
  format_ = fmt::format("exl3 {}-bit {}", weight.bits, exl3::codebook_name(weight.codebook));
  const int64_t in = weight.padded_in();
  const int64_t out = weight.padded_out();
  if (weight.in_features > in || weight.out_features > out) {
    throw UserError(
        "an EXL3 layer of {} inputs and {} outputs cannot hold {} and {}", in, out,
        weight.in_features, weight.out_features
    );
  }
  bias_ = widen(weight.bias, out_features());
  input_scale_ = widen(weight.suh);
  output_scale_ = widen(weight.svh);
  const std::vector<uint16_t> inner = exl3::decode_inner(
      {in, out, weight.bits, weight.codebook, weight.trellis.data(), weight.suh.data(),
       weight.svh.data()}
  );
  matrix_.resize(inner.size());
  for (int64_t k = 0; k < in; ++k) {
    for (int64_t n = 0; n < out; ++n) {
      matrix_[static_cast<size_t>(n * in + k)] =
          half_to_float(inner[static_cast<size_t>(k * out + n)]);
    }
  }
}

void ReferenceLinear::apply(const float* x, float* y) const {
  const bool rotated = !input_scale_.empty();
  std::vector<double> input(x, x + in_features());
  if (rotated) {
    input.resize(input_scale_.size(), 0.0);
    multiply(input, input_scale_);
    rotate(input);
  }
  std::vector<double> output(rotated ? output_scale_.size() : static_cast<size_t>(out_features()));
  for (size_t n = 0; n < output.size(); ++n) {
    const float* weights = &matrix_[n * input.size()];
    double sum = 0.0;
    for (size_t k = 0; k < input.size(); ++k) sum += input[k] * weights[k];
    output[n] = sum;
  }
  if (rotated) {
    rotate(output);
    multiply(output, output_scale_);
  }
  for (int64_t n = 0; n < out_features(); ++n) {
    const auto index = static_cast<size_t>(n);
    y[n] = static_cast<float>(output[index] + (bias_.empty() ? 0.0 : bias_[index]));
  }
}

void ReferenceOps::linear(ConstTensor x, const PackedLinear& weight, Tensor y) {
  TRELLIS_CHECK(&weight.owner() == &backend_, "a weight that this backend packed");
  TRELLIS_CHECK_EQ(x.dim(1), weight.in_features(), "inputs of a linear layer");
  TRELLIS_CHECK_EQ(y.dim(1), weight.out_features(), "outputs of a linear layer");
  const auto& layer = static_cast<const ReferenceLinear&>(weight);
  for (int64_t t = 0; t < x.dim(0); ++t) layer.apply(x.row<float>(t), y.row<float>(t));
}

}  // namespace trellis::reference
