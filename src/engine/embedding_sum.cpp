#include "engine/embedding_sum.h"

#include <cmath>

namespace trellis {

void EmbeddingSum::add(std::span<const float> state) {
  sum_.resize(state.size());
  for (size_t i = 0; i < state.size(); ++i) sum_[i] += static_cast<double>(state[i]);
}

std::vector<float> EmbeddingSum::unit_vector() const {
  double squares = 0.0;
  for (const double value : sum_) squares += value * value;
  const double scale = squares > 0.0 ? 1.0 / std::sqrt(squares) : 0.0;
  std::vector<float> result;
  result.reserve(sum_.size());
  for (const double value : sum_) result.push_back(static_cast<float>(value * scale));
  return result;
}

}  // namespace trellis
