// The tensors of one EXL3 layer: <key>.trellis with .suh or .su, .svh or .sv, and a marker of the
// codebook.
#pragma once

#include "backend/linear_weight.h"
#include "checkpoint/checkpoint.h"

#include <cstdint>
#include <string>

namespace trellis {

/// Whether the layer is stored as EXL3. Its other tensors may still be missing or wrong.
bool is_exl3(const Checkpoint& checkpoint, const std::string& key);

/// Everything but the bias. Sizes in the file are in and out rounded up to 128. Throws UserError
/// naming file and tensor.
Exl3Weight load_exl3(const Checkpoint& checkpoint, const std::string& key, int64_t in, int64_t out);

}  // namespace trellis
