#include "exl3/golden_file.h"

#include <gtest/gtest.h>

namespace trellis::golden {
namespace {

void check_table(const SafetensorsFile& file, exl3::Codebook codebook) {
  const std::string name = exl3::codebook_name(codebook);
  const auto table = read<uint16_t>(file, name, DType::kFloat16, 1);
  expect_shape(name, table.shape, {exl3::kNumStates});

  for (uint32_t state = 0; state < exl3::kNumStates; ++state) {
    ASSERT_EQ(exl3::decode(codebook, state), table.data[state]) << name << ", state " << state;
  }
}

}  // namespace

void check_codebooks(const SafetensorsFile& file) {
  check_table(file, exl3::Codebook::k3inst);
  check_table(file, exl3::Codebook::kMcg);
  check_table(file, exl3::Codebook::kMul1);
}

}  // namespace trellis::golden
