#include "backend/op_case.h"

#include "base/half.h"

#include <cmath>

namespace trellis::test {

double tolerance(Accuracy accuracy, int64_t reduction_length) {
  constexpr double kFloatUlp = 1.0 / (1 << 23);
  constexpr double kHalfUlp = 1.0 / (1 << 10);
  switch (accuracy) {
    case Accuracy::kExact:
      return 0.0;
    case Accuracy::kFloat32:
      // Rounding errors of a sum add up like a random walk; a few more ulps for what surrounds it.
      return kFloatUlp * (8.0 + std::sqrt(static_cast<double>(reduction_length)));
    case Accuracy::kHalfStored:
      return kHalfUlp / 4;
    case Accuracy::kRoundedInputs:
      return 1.5e-3;  // what ActivationPrecision::kAuto promises
  }
  return 0.0;
}

Tensor PreparedOp::allocate(Shape shape, DType dtype) {
  memory_.push_back(backend->allocate(bytes_of(shape, dtype)));
  return memory_.back().view(dtype, shape);
}

const PackedLinear& PreparedOp::pack(const LinearWeight& weight) {
  weights_.push_back(backend->pack(weight));
  return *weights_.back();
}

std::vector<std::vector<float>> PreparedOp::rows() const {
  std::vector<std::vector<float>> rows;
  for (const Tensor& output : outputs) {
    std::vector<char> raw(output.bytes());
    backend->download(output, raw.data());
    const ConstTensor host(raw.data(), output.dtype(), output.shape());
    for (int64_t r = 0; r < host.rows(); ++r) {
      std::vector<float>& row = rows.emplace_back();
      for (int64_t i = 0; i < host.row_size(); ++i) {
        row.push_back(
            host.dtype() == DType::kFloat16 ? half_to_float(host.row<uint16_t>(r)[i])
                                            : host.row<float>(r)[i]
        );
      }
    }
  }
  return rows;
}

}  // namespace trellis::test
