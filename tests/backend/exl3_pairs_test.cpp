// Products of pairs of inputs, which only some CPUs are given: the bits of single products.
#include "backend/backends_under_test.h"
#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/cpu_linear.h"
#include "backend/cpu/isa/tables.h"
#include "backend/random_data.h"
#include "backend/random_linear.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace trellis::cpu {
namespace {

constexpr int64_t kInputs = 384;
constexpr int64_t kOutputs = 200;
constexpr int64_t kRows = 27;  // not a multiple of what is multiplied at once

/// Normal numbers, but for rows that the transform spreads evenly: there every input becomes the
/// largest integer, positive or negative.
std::vector<float> make_rows() {
  std::vector<float> rows = test::RandomData(7).normals(kRows * kInputs);
  for (const int64_t row : {0, 9}) {
    std::fill_n(rows.begin() + row * kInputs, kInputs, 0.0f);
    for (int64_t block = 0; block < kInputs; block += kBlock)
      rows[static_cast<size_t>(row * kInputs + block)] = row == 0 ? 1.0f : -1.0f;
  }
  return rows;
}

/// [kRows, kOutputs] by the kernels of a table.
std::vector<float> multiply(
    const KernelTable& kernels, const Exl3Matrix& matrix, const std::vector<float>& rows
) {
  std::vector<int16_t> integers(static_cast<size_t>(matrix.in_blocks * kRows * kBlock));
  std::vector<BlockScale> scales(static_cast<size_t>(matrix.in_blocks * kRows));
  Exl3Input input;
  input.rows = kRows;
  input.blocks = matrix.in_blocks;
  input.integers = integers.data();
  input.scales = scales.data();
  for (int64_t row = 0; row < kRows; ++row) {
    kernels.exl3_prepare(matrix, rows.data() + row * kInputs, row, 0, matrix.in_blocks, input);
  }
  std::vector<float> scratch(static_cast<size_t>(exl3_scratch_floats(kRows)));
  std::vector<float> outputs(static_cast<size_t>(kRows * kOutputs));
  for (int64_t block = 0; block < matrix.out_blocks; ++block) {
    kernels.exl3_multiply(matrix, block, input, 0, kRows, scratch.data(), outputs.data(), kOutputs);
  }
  return outputs;
}

class Exl3Pairs : public testing::TestWithParam<test::WeightFormat> {};

TEST_P(Exl3Pairs, GiveTheBitsOfSingleProducts) {
  const std::unique_ptr<Backend> backend = make_cpu_backend({}, "avx512");
  ThreadPool pool(1);
  const test::RandomLinear random(GetParam(), {kInputs, kOutputs, kRows, true}, 3);
  const CpuLinear linear(*backend, random.weight(), pool);
  const std::vector<float> rows = make_rows();
  KernelTable single{};
  avx512::fill_exl3(single);
  KernelTable pairs = single;
  avx512::fill_exl3_of_pairs(pairs);

  const std::vector<float> expected = multiply(single, linear.exl3(), rows);
  const std::vector<float> outputs = multiply(pairs, linear.exl3(), rows);

  EXPECT_EQ(outputs, expected);
}

/// None where the machine cannot run the kernels.
std::vector<test::WeightFormat> formats() {
  return cpu_isas().front() == "avx512" ? test::exl3_formats() : std::vector<test::WeightFormat>{};
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Exl3Pairs);
INSTANTIATE_TEST_SUITE_P(
    Formats, Exl3Pairs, testing::ValuesIn(formats()),
    [](const testing::TestParamInfo<test::WeightFormat>& info) {
      return fmt::format("{}Bit{}", info.param.bits, exl3::codebook_name(info.param.codebook));
    }
);

}  // namespace
}  // namespace trellis::cpu
