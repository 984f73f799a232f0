// The rotary embedding's part of config.json, in either spelling: rope_theta with rope_scaling, or
// rope_parameters.
#pragma once

#include "base/json.h"

#include <cstdint>
#include <optional>

namespace trellis {

/// What nn/rope.h computes frequencies from. Fields beyond theta count for the types named beside
/// them.
struct RopeConfig {
  enum class Type : uint8_t { kDefault, kLinear, kLlama3, kYarn };

  Type type = Type::kDefault;
  double theta = 10000.0;
  double factor = 1.0;                 // linear, llama3, yarn
  double low_frequency_factor = 1.0;   // llama3
  double high_frequency_factor = 4.0;  // llama3
  int64_t original_max_position_embeddings =
      0;                    // llama3, yarn; 0 = the model's max_position_embeddings
  double beta_fast = 32.0;  // yarn, this and all below
  double beta_slow = 1.0;
  std::optional<double> attention_factor;
  std::optional<double> mscale;
  std::optional<double> mscale_all_dim;
  bool truncate = true;
};

/// Reads it from the whole config.json. Throws UserError with the key path for a type that is not
/// supported, a missing or wrong number, and for heads that turn only in part.
RopeConfig read_rope_config(const JsonObject& config);

}  // namespace trellis
