// The sizes of well-known models, for benchmarks on random weights.
#pragma once

#include "checkpoint/model_config.h"

#include <string>
#include <vector>

namespace trellis {

/// Names that shape_config() knows.
std::vector<std::string> shape_names();

/// The configuration of the model called name. Throws UserError listing the names for any other.
ModelConfig shape_config(const std::string& name);

}  // namespace trellis
