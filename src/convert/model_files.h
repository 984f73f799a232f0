// Everything of a quantized model's directory but its weights: the files copied from the source and
// the two that say how the model was quantized.
#pragma once

#include "base/json.h"
#include "exl3/codebook.h"
#include "tensor/tensor.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace trellis {

/// What config.json says about the quantization.
struct QuantizationSummary {
  double bits = 0.0;  // achieved average, head not counted
  int head_bits = 0;
  exl3::Codebook codebook = exl3::Codebook::kMul1;
};

/// The layout of a quantized model for other programs: which tensors each module has.
class TensorStorage {
 public:
  explicit TensorStorage(exl3::Codebook codebook) : codebook_(codebook) {}

  /// Notes a tensor that was written, e.g. "model.norm.weight". Modules stand in the order in which
  /// they were first seen.
  void add(const std::string& name, const ConstTensor& tensor);
  /// The object `tensor_storage`.
  const nlohmann::ordered_json& json() const { return modules_; }

 private:
  exl3::Codebook codebook_;
  nlohmann::ordered_json modules_ = nlohmann::ordered_json::object();
};

/// Copies tokenizer, templates, licence and whatever else lies beside the weights. Not copied:
/// weights in any format, what this converter writes itself, hidden files and folders.
/// Throws UserError naming the file.
void copy_model_files(
    const std::filesystem::path& source, const std::filesystem::path& destination
);

/// Writes config.json, the source's with quantization_config added, and quantization_config.json,
/// the same object with tensor_storage. Throws UserError.
void write_configs(
    const std::filesystem::path& source, const std::filesystem::path& destination,
    const QuantizationSummary& summary, const TensorStorage& storage
);

}  // namespace trellis
