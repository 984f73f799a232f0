#include "checkpoint/tensor_checks.h"

#include "base/half.h"
#include "checkpoint/finite.h"

#include <algorithm>
#include <cstring>

namespace trellis {
namespace {

template <typename Element, typename Convert>
std::vector<float> convert_all(const ConstTensor& tensor, Convert convert) {
  std::vector<float> result(static_cast<size_t>(tensor.numel()));
  const auto* bytes = static_cast<const char*>(tensor.data());
  for (size_t i = 0; i < result.size(); ++i) {
    Element element;
    std::memcpy(&element, bytes + i * sizeof(Element), sizeof(Element));
    result[i] = convert(element);
  }
  return result;
}

}  // namespace

ConstTensor checked_tensor(
    const Checkpoint& checkpoint, const std::string& name, const Shape& shape,
    std::initializer_list<DType> dtypes
) {
  const ConstTensor tensor = checkpoint.tensor(name);
  if (!(tensor.shape() == shape)) {
    throw UserError(
        "{} has shape {}; the model's configuration asks for {}", checkpoint.where(name),
        tensor.shape().to_string(), shape.to_string()
    );
  }
  if (std::find(dtypes.begin(), dtypes.end(), tensor.dtype()) == dtypes.end()) {
    std::string expected;
    for (const DType dtype : dtypes) {
      expected += expected.empty() ? "" : ", ";
      expected += dtype_name(dtype);
    }
    throw UserError(
        "{} has dtype {}; supported is {}", checkpoint.where(name), dtype_name(tensor.dtype()),
        expected
    );
  }
  return tensor;
}

void check_finite(
    const Checkpoint& checkpoint, const std::string& name, const ConstTensor& tensor
) {
  const auto index = find_non_finite(tensor);
  if (!index) return;
  throw UserError(
      "{} holds a NaN or infinity at element {}; the file is damaged, download it again",
      checkpoint.where(name), *index
  );
}

std::vector<float> to_floats(const ConstTensor& tensor) {
  switch (tensor.dtype()) {
    case DType::kFloat16:
      return convert_all<uint16_t>(tensor, half_to_float);
    case DType::kBFloat16:
      return convert_all<uint16_t>(tensor, bfloat16_to_float);
    case DType::kFloat32:
      return convert_all<float>(tensor, [](float value) { return value; });
    case DType::kFloat64:
      return convert_all<double>(tensor, [](double value) { return static_cast<float>(value); });
    default:
      throw InternalError("to_floats: not a floating-point tensor");
  }
}

}  // namespace trellis
