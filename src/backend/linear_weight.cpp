#include "backend/linear_weight.h"

#include "base/error.h"
#include "base/half.h"

#include <cstring>

namespace trellis {

int64_t input_size(const LinearWeight& weight) {
  if (const auto* exl3 = std::get_if<Exl3Weight>(&weight)) return exl3->in_features;
  return std::get<DenseWeight>(weight).weight.dim(1);
}

int64_t output_size(const LinearWeight& weight) {
  if (const auto* exl3 = std::get_if<Exl3Weight>(&weight)) return exl3->out_features;
  return std::get<DenseWeight>(weight).weight.dim(0);
}

void require_dense_type(DType dtype) {
  if (dtype == DType::kFloat32 || dtype == DType::kFloat16 || dtype == DType::kBFloat16) return;
  throw UserError(
      "a dense weight of type {} cannot be computed; convert it to F16, BF16 or F32",
      dtype_name(dtype)
  );
}

std::vector<float> widen_bias(ConstTensor bias, int64_t count) {
  if (bias.empty()) return {};
  TRELLIS_CHECK(bias.numel() >= count, "a bias for every output");
  const DType dtype = bias.dtype();
  require_dense_type(dtype);
  std::vector<float> numbers(static_cast<size_t>(count));
  const auto* source = static_cast<const char*>(bias.data());
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (dtype == DType::kFloat32) {
      std::memcpy(&numbers[i], source + 4 * i, sizeof(float));
      continue;
    }
    uint16_t bits = 0;
    std::memcpy(&bits, source + 2 * i, sizeof(bits));
    numbers[i] = dtype == DType::kFloat16 ? half_to_float(bits) : bfloat16_to_float(bits);
  }
  return numbers;
}

}  // namespace trellis
