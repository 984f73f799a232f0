#include "backend/op_comparison.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace trellis::test {
namespace {

/// 0 where both are zero, and for NaN where both are.
double relative_error(const std::vector<float>& actual, const std::vector<float>& expected) {
  double error = 0.0;
  double size = 0.0;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (std::isnan(expected[i]) && std::isnan(actual[i])) continue;
    error += std::pow(double{actual[i]} - expected[i], 2);
    size += std::pow(double{expected[i]}, 2);
  }
  if (error == 0.0) return 0.0;
  const double relative =
      std::sqrt(error / std::max<double>(size, std::numeric_limits<float>::min()));
  return std::isnan(relative) ? std::numeric_limits<double>::infinity() : relative;
}

/// All rows of a case's outputs after one run.
std::vector<std::vector<float>> results(const OpCase& op_case, Backend& backend) {
  const PreparedOp op = op_case.prepare(backend);
  op.run();
  return op.rows();
}

}  // namespace

OpComparison compare_op(
    const OpCase& op_case, Backend& backend, ActivationPrecision activations, Backend& reference
) {
  const auto expected = results(op_case, reference);
  const auto actual = results(op_case, backend);
  const bool exact_inputs = activations == ActivationPrecision::kFloat32;
  const bool rounded = op_case.accuracy == Accuracy::kRoundedInputs;
  const Accuracy accuracy = rounded && exact_inputs ? Accuracy::kFloat32 : op_case.accuracy;

  OpComparison worst;
  worst.limit = tolerance(accuracy, op_case.reduction_length, op_case.stored_bits);
  TRELLIS_CHECK_EQ(actual.size(), expected.size(), "rows of the outputs");
  for (size_t row = 0; row < expected.size(); ++row) {
    TRELLIS_CHECK_EQ(actual[row].size(), expected[row].size(), "numbers of a row");
    const double error = relative_error(actual[row], expected[row]);
    if (error <= worst.error) continue;
    worst.error = error;
    worst.row = row;
  }
  return worst;
}

}  // namespace trellis::test
