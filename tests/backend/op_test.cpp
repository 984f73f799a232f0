// The oracle: every op, on every case of the list, on every backend, against the reference in fp64.
#include "backend/backends_under_test.h"
#include "backend/op_cases.h"
#include "backend/reference/reference_backend.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

namespace trellis::test {
namespace {

struct Parameter {
  BackendUnderTest backend;
  OpGroup group;
};

void PrintTo(const Parameter& parameter, std::ostream* out) {
  *out << name_of(parameter.backend) << " " << parameter.group.name;
}

/// Root mean square of a row's errors over the row's own; 0 where both are zero, NaN where both
/// are.
double relative_error(const std::vector<float>& actual, const std::vector<float>& expected) {
  double error = 0.0;
  double size = 0.0;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (std::isnan(expected[i]) && std::isnan(actual[i])) continue;
    error += std::pow(double{actual[i]} - expected[i], 2);
    size += std::pow(double{expected[i]}, 2);
  }
  if (error == 0.0) return 0.0;
  return std::sqrt(error / std::max<double>(size, std::numeric_limits<float>::min()));
}

/// All rows of a case's outputs after one run.
std::vector<std::vector<float>> results(const OpCase& op_case, Backend& backend) {
  const PreparedOp op = op_case.prepare(backend);
  op.run();
  return op.rows();
}

class OpTest : public testing::TestWithParam<Parameter> {};

TEST_P(OpTest, AgreesWithTheReference) {
  const auto& [under_test, group] = GetParam();
  const std::unique_ptr<Backend> backend = under_test.make();
  const std::unique_ptr<Backend> reference = make_reference_backend({});

  for (const OpCase& op_case : group.cases) {
    SCOPED_TRACE(op_case.name);
    const auto expected = results(op_case, *reference);
    const auto actual = results(op_case, *backend);
    const bool exact_inputs = under_test.activations == ActivationPrecision::kFloat32;
    const bool rounded = op_case.accuracy == Accuracy::kRoundedInputs;
    const Accuracy accuracy = rounded && exact_inputs ? Accuracy::kFloat32 : op_case.accuracy;
    const double limit = tolerance(accuracy, op_case.reduction_length, op_case.stored_bits);

    ASSERT_EQ(actual.size(), expected.size());
    for (size_t row = 0; row < expected.size(); ++row) {
      ASSERT_LE(relative_error(actual[row], expected[row]), limit) << "row " << row;
    }
  }
}

/// Linear layers also with inputs that must not be rounded.
std::vector<Parameter> parameters() {
  std::vector<Parameter> all;
  for (const OpGroup& group : op_groups()) {
    for (BackendUnderTest backend : fast_backends()) {
      all.push_back({backend, group});
      backend.activations = ActivationPrecision::kFloat32;
      if (group.is_linear) all.push_back({backend, group});
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(
    Backends, OpTest, testing::ValuesIn(parameters()),
    [](const testing::TestParamInfo<Parameter>& info) {
      return name_of(info.param.backend) + "_" + info.param.group.name;
    }
);

}  // namespace
}  // namespace trellis::test
