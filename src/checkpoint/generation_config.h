// generation_config.json of a model directory: where its answers end and how it wants to be
// sampled.
#pragma once

#include "base/json.h"
#include "trellis/sampling_params.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace trellis {

struct GenerationConfig {
  std::optional<int32_t> bos_token_id;
  std::vector<int32_t> eos_token_ids;  // every one of them ends an answer
  /// What the file says, the rest as SamplingParams has it. An explicit do_sample = false means
  /// temperature 0.
  SamplingParams sampling;
};

/// Reads <directory>/generation_config.json; defaults if there is none. Throws UserError naming
/// file and key path.
GenerationConfig read_generation_config(const std::filesystem::path& directory);

/// The same from the parsed document; origin names it in errors.
GenerationConfig parse_generation_config(const Json& document, const std::string& origin);

}  // namespace trellis
