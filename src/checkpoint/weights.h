// From tensors of a checkpoint to the weights of one layer, checked: names, shapes, dtypes,
// markers, finite numbers. Whether a layer is EXL3 or dense is told by which tensors exist; one
// model may mix both. Format: docs/exl3.md.
#pragma once

#include "backend/linear_weight.h"
#include "checkpoint/checkpoint.h"

#include <cstdint>
#include <string>
#include <vector>

namespace trellis {

/// The linear layer `key` with `in` inputs and `out` outputs: EXL3 if <key>.trellis exists, or else
/// dense from <key>.weight [out, in]. Views point into the checkpoint and may be unaligned.
/// with_bias: <key>.bias must exist; otherwise a bias that is not all zero is refused, since
/// ignoring it would change the layer. Throws UserError naming file and tensor.
LinearWeight load_linear(
    const Checkpoint& checkpoint, const std::string& key, int64_t in, int64_t out, bool with_bias
);

/// The output head: lm_head as EXL3, lm_head.weight, and only then, for a tied model, the
/// embedding. A quantized model with tied embeddings has a head of its own. Errors as load_linear.
LinearWeight load_head(const Checkpoint& checkpoint, int64_t hidden, int64_t vocab, bool tied);

/// The vector `name` of `size` numbers (a norm's weight), widened to fp32 from fp16, bf16, fp32 or
/// fp64. NaN and infinity are refused. Throws UserError naming file and tensor.
std::vector<float> load_vector(const Checkpoint& checkpoint, const std::string& name, int64_t size);

/// The matrix `name` (an embedding): [rows, cols] fp16, bf16 or fp32, all finite. A view into the
/// checkpoint that may be unaligned. Throws UserError naming file and tensor.
ConstTensor load_matrix(
    const Checkpoint& checkpoint, const std::string& name, int64_t rows, int64_t cols
);

}  // namespace trellis
