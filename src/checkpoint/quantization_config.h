// quantization_config of config.json: what the converter says about itself. How a layer is stored
// is told by its tensors alone (weights.h); this serves reports and refuses what this engine cannot
// decode.
#pragma once

#include "base/json.h"
#include "exl3/codebook.h"

#include <optional>
#include <string>

namespace trellis {

struct QuantizationConfig {
  std::string quant_method;    // "exl3"
  std::string version;         // of the converter, or empty
  std::optional<double> bits;  // average per weight, head not counted
  std::optional<double> head_bits;
  std::optional<exl3::Codebook> codebook;  // none in files older than the field
};

/// Reads the object `quantization_config`. Throws UserError with the key path unless quant_method
/// is "exl3" and the codebook, if named, is known.
QuantizationConfig read_quantization_config(const JsonObject& object);

}  // namespace trellis
