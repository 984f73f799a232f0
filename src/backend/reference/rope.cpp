#include "backend/reference/reference_ops.h"

#include <cmath>

namespace trellis::reference {

void ReferenceOps::rope(Tensor x, ConstTensor positions, const RopeArgs& args, int head_dim) {
  const int64_t half = args.inverse_frequency.numel();
  for (int64_t t = 0; t < x.rows(); ++t) {
    for (int64_t head = 0; head < x.row_size() / head_dim; ++head) {
      float* numbers = x.row<float>(t) + head * head_dim;
      for (int64_t i = 0; i < half; ++i) {
        const double angle =
            double(positions.as<int32_t>()[t]) * args.inverse_frequency.as<float>()[i];
        const double cosine = std::cos(angle) * args.attention_factor;
        const double sine = std::sin(angle) * args.attention_factor;
        const double first = numbers[i];
        const double second = numbers[i + half];
        numbers[i] = static_cast<float>(first * cosine - second * sine);
        numbers[i + half] = static_cast<float>(second * cosine + first * sine);
      }
    }
  }
}

}  // namespace trellis::reference
