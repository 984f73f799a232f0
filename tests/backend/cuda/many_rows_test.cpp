// Many rows on a GPU: what is not finite stays in its row.
#include "backend/backends_under_test.h"
#include "backend/op_case.h"
#include "backend/random_linear.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace trellis::test {
namespace {

constexpr int64_t kRows = 70;
constexpr int64_t kIn = 300;
constexpr int64_t kOut = 200;

class ManyRows : public testing::TestWithParam<BackendUnderTest> {};

TEST_P(ManyRows, ARowThatIsNotFiniteBecomesNanAndDisturbsNoOther) {
  const std::unique_ptr<Backend> backend = GetParam().make();
  PreparedOp op(*backend);
  const RandomLinear linear(
      WeightFormat::exl3(4, exl3::Codebook::kMul1), {kIn, kOut, kRows, true}, 1
  );
  const PackedLinear& weight = op.pack(linear.weight());
  std::vector<float> x = RandomData(2).normals(kRows * kIn);
  const auto outputs = [&] {
    const Tensor y = op.allocate({kRows, kOut});
    backend->ops().linear(op.upload(x, {kRows, kIn}), weight, y);
    std::vector<float> values(static_cast<size_t>(y.numel()));
    backend->download(y, values.data());
    return values;
  };

  const std::vector<float> finite = outputs();
  x[5 * kIn + 17] = std::numeric_limits<float>::quiet_NaN();
  x[66 * kIn] = std::numeric_limits<float>::infinity();
  const std::vector<float> spoiled = outputs();

  for (int64_t row = 0; row < kRows; ++row) {
    const float* got = spoiled.data() + row * kOut;
    if (row == 5 || row == 66) {
      for (int64_t n = 0; n < kOut; ++n) ASSERT_TRUE(std::isnan(got[n])) << row << ", " << n;
    } else {
      const float* expected = finite.data() + row * kOut;
      ASSERT_EQ(std::memcmp(got, expected, kOut * sizeof(float)), 0) << "row " << row;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Backends, ManyRows, testing::ValuesIn(fast_backends()),
    [](const testing::TestParamInfo<BackendUnderTest>& info) { return name_of(info.param); }
);

}  // namespace
}  // namespace trellis::test
