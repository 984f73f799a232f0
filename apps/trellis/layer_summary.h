// How the linear layers of a checkpoint are stored: read from names and shapes, not from the
// weights.
#pragma once

#include "checkpoint/checkpoint.h"
#include "exl3/codebook.h"
#include "model/model_spec.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace trellis {

struct LinearSummary {
  std::string key;
  int64_t in = 0;
  int64_t out = 0;
  size_t bytes = 0;                        // of all its tensors, bias included
  std::optional<int> bits;                 // of the trellis; none: dense
  std::optional<exl3::Codebook> codebook;  // none: dense
  std::string dtype;                       // of a dense weight, else "EXL3"

  /// 8 * bytes over the number of weights.
  double bits_per_weight() const;
};

/// Of linear layers taken together.
double bits_per_weight(const std::vector<LinearSummary>& linears);

/// Throws UserError naming the tensor that is missing.
LinearSummary summarize_linear(const Checkpoint& checkpoint, const LinearSpec& spec);
/// The seven linear layers of a transformer layer.
std::vector<LinearSummary> summarize_layer(const Checkpoint& checkpoint, const LayerSpec& layer);
/// The output head; that of a tied model without one of its own is the embedding.
LinearSummary summarize_head(
    const Checkpoint& checkpoint, const ModelSpec& spec, int64_t hidden, int64_t vocab
);

/// Numbers that the model learned, each counted once: a tied head adds none.
int64_t count_parameters(const ModelConfig& config, const ModelSpec& spec);

}  // namespace trellis
