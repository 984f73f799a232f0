#include "checkpoint/weights.h"

#include "checkpoint/exl3_weight.h"
#include "checkpoint/tensor_checks.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace trellis {
namespace {

constexpr const char* kHeadKey = "lm_head";
constexpr const char* kEmbeddingName = "model.embed_tokens.weight";

/// The bias of `key`, [out], or an empty tensor. An EXL3 layer stores padded_out numbers, of which
/// out count.
ConstTensor load_bias(
    const Checkpoint& checkpoint, const std::string& key, int64_t out, int64_t stored,
    bool with_bias
) {
  const std::string name = key + ".bias";
  if (!checkpoint.has(name)) {
    if (!with_bias) return {};
    throw UserError(
        "{}: the tensor \"{}\" is missing, though the configuration says that the layer has a bias",
        checkpoint.directory().string(), name
    );
  }
  const bool is_unpadded = checkpoint.tensor(name).shape() == Shape{out};
  const ConstTensor whole = checked_tensor(
      checkpoint, name, {is_unpadded ? out : stored},
      {DType::kFloat16, DType::kBFloat16, DType::kFloat32}
  );
  check_finite(checkpoint, name, whole);
  const ConstTensor bias(whole.data(), whole.dtype(), {out});
  if (with_bias) return bias;
  const std::vector<float> values = to_floats(bias);
  if (std::any_of(values.begin(), values.end(), [](float value) { return value != 0.0f; })) {
    throw UserError(
        "{} is not zero, though the configuration says that the layer has no bias",
        checkpoint.where(name)
    );
  }
  return {};
}

}  // namespace

LinearWeight load_linear(
    const Checkpoint& checkpoint, const std::string& key, int64_t in, int64_t out, bool with_bias
) {
  if (is_exl3(checkpoint, key)) {
    Exl3Weight weight = load_exl3(checkpoint, key, in, out);
    weight.bias = load_bias(checkpoint, key, out, weight.padded_out(), with_bias);
    return weight;
  }
  DenseWeight weight;
  weight.weight = load_matrix(checkpoint, key + ".weight", out, in);
  weight.bias = load_bias(checkpoint, key, out, out, with_bias);
  return weight;
}

LinearWeight load_head(const Checkpoint& checkpoint, int64_t hidden, int64_t vocab, bool tied) {
  const std::string key = kHeadKey;
  const bool has_own = is_exl3(checkpoint, key) || checkpoint.has(key + ".weight");
  if (has_own || !tied) return load_linear(checkpoint, key, hidden, vocab, false);
  return DenseWeight{load_matrix(checkpoint, kEmbeddingName, vocab, hidden), {}};
}

std::vector<float> load_vector(
    const Checkpoint& checkpoint, const std::string& name, int64_t size
) {
  const ConstTensor tensor = checked_tensor(
      checkpoint, name, {size},
      {DType::kFloat16, DType::kBFloat16, DType::kFloat32, DType::kFloat64}
  );
  check_finite(checkpoint, name, tensor);
  std::vector<float> values = to_floats(tensor);
  // A finite fp64 may still be too large for fp32.
  if (std::any_of(values.begin(), values.end(), [](float value) { return std::isinf(value); })) {
    throw UserError("{} holds a number too large for fp32", checkpoint.where(name));
  }
  return values;
}

ConstTensor load_matrix(
    const Checkpoint& checkpoint, const std::string& name, int64_t rows, int64_t cols
) {
  const ConstTensor tensor = checked_tensor(
      checkpoint, name, {rows, cols}, {DType::kFloat16, DType::kBFloat16, DType::kFloat32}
  );
  check_finite(checkpoint, name, tensor);
  return tensor;
}

}  // namespace trellis
