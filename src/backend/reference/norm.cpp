#include "backend/reference/reference_ops.h"

#include <cmath>

namespace trellis::reference {

void ReferenceOps::rms_norm(ConstTensor x, ConstTensor weight, float epsilon, Tensor y) {
  const int64_t dim = x.row_size();
  for (int64_t r = 0; r < x.rows(); ++r) {
    const float* in = x.row<float>(r);
    float* out = y.row<float>(r);
    double sum_of_squares = 0.0;
    for (int64_t i = 0; i < dim; ++i) sum_of_squares += double{in[i]} * in[i];
    const double scale = 1.0 / std::sqrt(sum_of_squares / static_cast<double>(dim) + epsilon);
    for (int64_t i = 0; i < dim; ++i) {
      out[i] = static_cast<float>(in[i] * scale * weight.as<float>()[i]);
    }
  }
}

}  // namespace trellis::reference
