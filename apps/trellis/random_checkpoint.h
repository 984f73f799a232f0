// Random weights as files: a checkpoint of any shape, to measure loading with.
#pragma once

#include "model/weight_source.h"

#include <filesystem>

namespace trellis {

/// Writes the tensors of the model that make_random_model() makes of the same arguments into the
/// directory, which must exist and hold no weights yet; no config.json. Throws UserError.
void write_random_checkpoint(
    const ModelConfig& config, const RandomWeights& weights, const std::filesystem::path& directory
);

}  // namespace trellis
