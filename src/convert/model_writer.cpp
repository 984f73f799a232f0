#include "convert/model_writer.h"

#include "base/half.h"
#include "checkpoint/safetensors_writer.h"
#include "exl3/hadamard.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <map>
#include <tuple>

namespace trellis {
namespace {

/// Where a tensor stands in the file: before the blocks, in block n, after them, or in the head.
std::tuple<int, int64_t, std::string> place_of(const std::string& name) {
  if (name.starts_with("lm_head.")) return {3, 0, name};
  if (name.find("embed_tokens.") != std::string::npos) return {0, 0, name};
  const std::string marker = "layers.";
  const size_t found = name.find(marker);
  if (found == std::string::npos) return {2, 0, name};
  int64_t block = 0;
  std::from_chars(name.data() + found + marker.size(), name.data() + name.size(), block);
  return {1, block, name};
}

/// The elements of an fp32 or fp64 tensor as halves, or nothing if one is too large.
template <typename Real>
std::vector<uint16_t> to_halves_if_they_fit(const ConstTensor& tensor) {
  std::vector<uint16_t> halves(static_cast<size_t>(tensor.numel()));
  for (size_t index = 0; index < halves.size(); ++index) {
    Real value = 0;
    std::memcpy(
        &value, static_cast<const char*>(tensor.data()) + index * sizeof(Real), sizeof(Real)
    );
    halves[index] = float_to_half(static_cast<float>(value));
    if (std::isfinite(value) && !std::isfinite(half_to_float(halves[index]))) return {};
  }
  return halves;
}

class ModelWriter {
 public:
  ModelWriter(SafetensorsWriter& writer, TensorStorage& storage)
      : writer_(writer), storage_(storage) {}

  void add(const std::string& name, const ConstTensor& tensor) {
    writer_.add(name, tensor);
    storage_.add(name, tensor);
    bytes_ += tensor.bytes();
  }

  /// A tensor that stays unquantized.
  void add_dense(const std::string& name, const ConstTensor& tensor) {
    std::vector<uint16_t> halves;
    if (tensor.dtype() == DType::kFloat32) halves = to_halves_if_they_fit<float>(tensor);
    if (tensor.dtype() == DType::kFloat64) halves = to_halves_if_they_fit<double>(tensor);
    if (halves.empty()) return add(name, tensor);
    add(name, {halves.data(), DType::kFloat16, tensor.shape()});
  }

  /// The bias of a quantized layer: zeros behind it up to the padded size.
  void add_bias(const std::string& name, const ConstTensor& bias) {
    const int64_t size = bias.dim(0);
    const int64_t block = exl3::kHadamardBlock;
    const int64_t padded = (size + block - 1) / block * block;
    std::vector<char> bytes(static_cast<size_t>(padded) * dtype_bytes(bias.dtype()));
    std::memcpy(bytes.data(), bias.data(), bias.bytes());
    add_dense(name, {bytes.data(), bias.dtype(), {padded}});
  }

  uint64_t bytes() const { return bytes_; }

 private:
  SafetensorsWriter& writer_;
  TensorStorage& storage_;
  uint64_t bytes_ = 0;
};

/// A tensor of the output and what it is made from.
struct Output {
  enum class Kind { kDense, kQuantized, kBias } kind;
  const ModelLinear* linear = nullptr;  // of a quantized one
};

}  // namespace

uint64_t write_tensors(
    const Checkpoint& source, const std::vector<ModelLinear>& linears,
    const FinishedLinears& finished, const std::filesystem::path& directory,
    uint64_t max_shard_bytes, TensorStorage& storage
) {
  std::map<std::tuple<int, int64_t, std::string>, Output> outputs;
  for (const std::string& name : source.names()) {
    outputs[place_of(name)] = {Output::Kind::kDense};
  }
  for (const ModelLinear& linear : linears) {
    const std::string& key = linear.spec.key;
    outputs.erase(place_of(key + ".weight"));
    outputs.erase(place_of(key + ".bias"));
    if (linear.spec.bias) outputs[place_of(key + ".bias")] = {Output::Kind::kBias};
    outputs[place_of(key + ".trellis")] = {Output::Kind::kQuantized, &linear};
  }

  SafetensorsWriter writer(directory, max_shard_bytes);
  ModelWriter model(writer, storage);
  for (const auto& [place, output] : outputs) {
    const std::string& name = std::get<2>(place);
    switch (output.kind) {
      case Output::Kind::kDense:
        model.add_dense(name, source.tensor(name));
        break;
      case Output::Kind::kBias:
        model.add_bias(name, source.tensor(name));
        break;
      case Output::Kind::kQuantized: {
        const std::unique_ptr<SafetensorsFile> file = finished.open(output.linear->spec.key);
        for (const std::string& part : file->names()) model.add(part, file->tensor(part));
        break;
      }
    }
  }
  writer.finish();
  return model.bytes();
}

}  // namespace trellis
