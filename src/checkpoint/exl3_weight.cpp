#include "checkpoint/exl3_weight.h"

#include "checkpoint/tensor_checks.h"
#include "exl3/signs.h"

#include <cstring>

namespace trellis {
namespace {

constexpr int64_t kBlock = 128;  // a Hadamard block: both sides are padded to it
constexpr int64_t kTile = 16;
constexpr int kMaxBits = 8;

int64_t padded(int64_t size) {
  return (size + kBlock - 1) / kBlock * kBlock;
}

/// The 16-bit numbers of a tensor, copied to aligned memory.
std::vector<uint16_t> copy_words(const ConstTensor& tensor) {
  std::vector<uint16_t> words(static_cast<size_t>(tensor.numel()));
  if (!words.empty()) std::memcpy(words.data(), tensor.data(), tensor.bytes());
  return words;
}

/// Signs and scales of one side: `scales` as halves, or the older `signs` as one bit per channel.
std::vector<uint16_t> load_scales(
    const Checkpoint& checkpoint, const std::string& scales, const std::string& signs, int64_t size
) {
  if (checkpoint.has(scales)) {
    const ConstTensor tensor = checked_tensor(checkpoint, scales, {size}, {DType::kFloat16});
    check_finite(checkpoint, scales, tensor);
    return copy_words(tensor);
  }
  if (!checkpoint.has(signs)) {
    throw UserError(
        "{}: the tensor \"{}\" (or the older \"{}\") is missing", checkpoint.directory().string(),
        scales, signs
    );
  }
  const ConstTensor tensor =
      checked_tensor(checkpoint, signs, {size / kTile}, {DType::kInt16, DType::kUint16});
  const std::vector<uint16_t> words = copy_words(tensor);
  std::vector<uint16_t> halves(static_cast<size_t>(size));
  exl3::expand_signs(words.data(), size, halves.data());
  return halves;
}

/// Whether the marker exists. Its value is the codebook's multiplier; another one means a file that
/// cannot be decoded.
bool has_marker(const Checkpoint& checkpoint, const std::string& name, uint32_t multiplier) {
  if (!checkpoint.has(name)) return false;
  const ConstTensor tensor = checked_tensor(checkpoint, name, {}, {DType::kInt32, DType::kUint32});
  uint32_t value = 0;
  std::memcpy(&value, tensor.data(), sizeof(value));
  if (value != multiplier) {
    throw UserError(
        "{} is {:#010x}; only the codebook with {:#010x} is supported: convert the model anew",
        checkpoint.where(name), value, multiplier
    );
  }
  return true;
}

exl3::Codebook load_codebook(const Checkpoint& checkpoint, const std::string& key) {
  const bool mcg = has_marker(checkpoint, key + ".mcg", exl3::kMcgMultiplier);
  const bool mul1 = has_marker(checkpoint, key + ".mul1", exl3::kMul1Multiplier);
  if (mcg && mul1) {
    throw UserError(
        "{}: \"{}\" is marked with two codebooks, mcg and mul1", checkpoint.directory().string(),
        key
    );
  }
  if (mcg) return exl3::Codebook::kMcg;
  return mul1 ? exl3::Codebook::kMul1 : exl3::Codebook::k3inst;
}

}  // namespace

bool is_exl3(const Checkpoint& checkpoint, const std::string& key) {
  return checkpoint.has(key + ".trellis");
}

Exl3Weight load_exl3(
    const Checkpoint& checkpoint, const std::string& key, int64_t in, int64_t out
) {
  const std::string name = key + ".trellis";
  const Shape found = checkpoint.tensor(name).shape();
  const bool whole_bits = found.rank() == 3 && found[2] % kTile == 0 && found[2] >= kTile &&
                          found[2] <= kTile * kMaxBits;
  if (!whole_bits) {
    throw UserError(
        "{} has shape {}; expected [in / 16, out / 16, 16 * bits] with 1 to 8 bits",
        checkpoint.where(name), found.to_string()
    );
  }
  Exl3Weight weight;
  weight.bits = static_cast<int>(found[2] / kTile);
  weight.trellis = checked_tensor(
      checkpoint, name, {padded(in) / kTile, padded(out) / kTile, found[2]},
      {DType::kInt16, DType::kUint16}
  );
  weight.suh = load_scales(checkpoint, key + ".suh", key + ".su", padded(in));
  weight.svh = load_scales(checkpoint, key + ".svh", key + ".sv", padded(out));
  weight.codebook = load_codebook(checkpoint, key);
  weight.in_features = in;
  weight.out_features = out;
  return weight;
}

}  // namespace trellis
