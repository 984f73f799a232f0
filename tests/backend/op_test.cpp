// The oracle: every op, on every case of the list, on every backend, against the reference in fp64.
#include "backend/backends_under_test.h"
#include "backend/op_cases.h"
#include "backend/op_comparison.h"
#include "backend/reference/reference_backend.h"

#include <gtest/gtest.h>

namespace trellis::test {
namespace {

struct Parameter {
  BackendUnderTest backend;
  OpGroup group;
};

void PrintTo(const Parameter& parameter, std::ostream* out) {
  *out << name_of(parameter.backend) << " " << parameter.group.name;
}

class OpTest : public testing::TestWithParam<Parameter> {};

TEST_P(OpTest, AgreesWithTheReference) {
  const auto& [under_test, group] = GetParam();
  const std::unique_ptr<Backend> backend = under_test.make();
  const std::unique_ptr<Backend> reference = make_reference_backend({});

  for (const OpCase& op_case : group.cases) {
    SCOPED_TRACE(op_case.name);
    const OpComparison comparison =
        compare_op(op_case, *backend, under_test.activations, *reference);
    ASSERT_LE(comparison.error, comparison.limit) << "row " << comparison.row;
  }
}

/// What may round its inputs also where it must not.
std::vector<Parameter> parameters() {
  std::vector<Parameter> all;
  for (const OpGroup& group : op_groups()) {
    for (BackendUnderTest backend : fast_backends()) {
      all.push_back({backend, group});
      backend.activations = ActivationPrecision::kFloat32;
      if (group.may_round) all.push_back({backend, group});
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
