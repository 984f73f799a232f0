// A linear layer as the reference holds it: the stored matrix widened to fp32, nothing folded into
// it.
#pragma once

#include "backend/linear_weight.h"
#include "backend/packed_linear.h"

#include <string>
#include <vector>

namespace trellis::reference {

/// Dense and EXL3 layers. An EXL3 layer keeps its inner matrix, so that apply() follows the
/// definition step by step.
class ReferenceLinear final : public PackedLinear {
 public:
  /// Copies everything. Throws UserError for types or sizes that no layer has.
  ReferenceLinear(const Backend& owner, const LinearWeight& weight);

  size_t bytes() const override { return matrix_.size() * sizeof(float); }
  std::string format() const override { return format_; }

  /// y = W x + bias for one row. x: [in_features], y: [out_features].
  void apply(const float* x, float* y) const;

 private:
  void pack(const DenseWeight& weight);
  void pack(const Exl3Weight& weight);

  std::string format_;
  std::vector<float> matrix_;         // [padded_out, padded_in], in the rotated basis for EXL3
  std::vector<double> bias_;          // [out_features] or empty
  std::vector<double> input_scale_;   // [padded_in]: suh; empty for dense layers
  std::vector<double> output_scale_;  // [padded_out]: svh; empty for dense layers
};

}  // namespace trellis::reference
