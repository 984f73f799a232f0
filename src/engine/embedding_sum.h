// From the hidden states of a prompt to its embedding.
#pragma once

#include <span>
#include <vector>

namespace trellis {

/// Adds up hidden states in the order of their positions, so that the sum does not depend on how
/// they are dealt to steps.
class EmbeddingSum {
 public:
  /// state: [hidden], of the next position.
  void add(std::span<const float> state);
  /// The direction of the sum, which is that of the mean: a vector of length 1, or zeros where the
  /// sum is zero.
  std::vector<float> unit_vector() const;

 private:
  std::vector<double> sum_;  // [hidden]; empty before the first state
};

}  // namespace trellis
