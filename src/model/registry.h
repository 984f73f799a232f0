// The table of architectures: one line each, in registry.cpp.
#pragma once

#include "model/model_spec.h"

namespace trellis {

/// The spec of the model that config describes. Throws UserError listing the supported ones for an
/// unknown name.
ModelSpec make_model_spec(const ModelConfig& config);

}  // namespace trellis
