// The choices of kernels as tables, on devices that only their limits describe.
#include "backend/cuda/heuristics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

namespace trellis::cuda {
namespace {

using Kernel = LinearPlan::Kernel;

DeviceLimits limits_of(int num_sms, int64_t shared_kib, int64_t memory_gb, bool is_hopper) {
  return {num_sms, shared_kib << 10, slice_bytes(memory_gb << 30), is_hopper, is_hopper};
}

const DeviceLimits kH100 = limits_of(132, 227, 80, true);
const DeviceLimits kRtx3090 = limits_of(82, 99, 24, false);
const DeviceLimits kSmall = limits_of(20, 99, 4, false);

MatrixSizes mul1(int bits, int64_t in, int64_t out) {
  return {bits, exl3::Codebook::kMul1, in, out};
}

struct LinearCase {
  std::string name;
  DeviceLimits device;
  bool is_exact;
  MatrixSizes sizes;
  int64_t rows;
  std::string plan;
};

void PrintTo(const LinearCase& c, std::ostream* out) {
  *out << c.name;
}

class LinearPlans : public testing::TestWithParam<LinearCase> {};

TEST_P(LinearPlans, AreTheseForTheSizes) {
  const LinearCase& c = GetParam();

  EXPECT_EQ(plan_linear(c.device, c.is_exact, c.sizes, c.rows).to_string(), c.plan);
}

std::vector<LinearCase> linear_cases() {
  const MatrixSizes qkv = mul1(4, 4096, 6144);
  const MatrixSizes gate_up = mul1(4, 4096, 28672);
  const MatrixSizes down = mul1(4, 14336, 4096);
  return {
      {"H100OneRow", kH100, false, qkv, 1, "exl3_gemv, 1 rows a pass"},
      {"H100Eight", kH100, false, qkv, 8, "exl3_gemv, 8 rows a pass"},
      {"H100Sixteen", kH100, false, qkv, 16, "exl3_gemv, 8 rows a pass"},
      {"H100Seventeen", kH100, false, qkv, 17, "exl3_wgmma, tiles of 64 x 128, segments: 3"},
      {"H100Prompt", kH100, false, qkv, 2048, "exl3_wgmma, tiles of 256 x 128, segments: 1"},
      {"H100GateUp", kH100, false, gate_up, 128, "exl3_wgmma, tiles of 128 x 128, segments: 1"},
      {"H100Down", kH100, false, down, 64, "exl3_wgmma, tiles of 64 x 128, segments: 4"},
      {"H100DownPrompt", kH100, false, down, 2048, "exl3_wgmma, tiles of 256 x 128, segments: 2"},
      {"H100InputsTooManyForTheGemv", kH100, false, mul1(4, 16512, 4096), 1,
       "exl3_wgmma, tiles of 64 x 128, segments: 4"},
      {"H100Exact", kH100, true, qkv, 1, "exl3_dequantize and dense_linear, 6144 columns at a time"
      },
      {"Rtx3090Sixteen", kRtx3090, false, qkv, 16, "exl3_gemv, 4 rows a pass"},
      {"Rtx3090Seventeen", kRtx3090, false, qkv, 17, "exl3_mma, tiles of 64 x 128, segments: 3"},
      {"Rtx3090Prompt", kRtx3090, false, gate_up, 512, "exl3_mma, tiles of 128 x 128, segments: 1"},
      {"Rtx3090Down", kRtx3090, false, down, 65, "exl3_mma, tiles of 128 x 128, segments: 2"},
      {"Rtx3090InputsTooManyForTheGemv", kRtx3090, false, mul1(4, 16512, 4096), 1,
       "exl3_mma, tiles of 64 x 128, segments: 4"},
      {"InputsTooManyForAll", kRtx3090, false, mul1(4, 32896, 4096), 512,
       "exl3_dequantize and dense_linear, 1920 columns at a time"},
      {"SmallMemoryExact", kSmall, true, gate_up, 512,
       "exl3_dequantize and dense_linear, 8192 columns at a time"},
  };
}

INSTANTIATE_TEST_SUITE_P(, LinearPlans, testing::ValuesIn(linear_cases()), [](const auto& info) {
  return info.param.name;
});

TEST(Passes, ServeAnyNumberOfRowsOfEveryFormatBySomething) {
  for (const DeviceLimits& device : {kH100, kRtx3090}) {
    for (int bits = 1; bits <= 8; ++bits) {
      for (const auto codebook : {exl3::Codebook::kMul1, exl3::Codebook::kMcg}) {
        for (const int64_t rows : {1, 2, 5, 9, 16}) {
          const Pass pass = choose_pass(device, false, {bits, codebook, 14336, 4096}, rows);
          EXPECT_FALSE(pass.is_staged) << bits << " bits, rows " << rows;
          EXPECT_GE(pass.rows, 1) << bits << " bits, rows " << rows;
          EXPECT_LE(pass.rows, std::min<int64_t>(rows, 8)) << bits << " bits, rows " << rows;
        }
      }
    }
  }
}

TEST(Passes, LeaveNoMoreThanThereIsRoomFor) {
  for (const int64_t rows : {1, 16, 17, 64, 65, 2048}) {
    for (const int64_t inputs : {128, 4096, 8320, 14336, 16512, 28672}) {
      const int64_t most = most_product_room(rows, inputs, 4096);
      for (int bits = 1; bits <= 8; ++bits) {
        const Pass pass = choose_pass(kH100, false, mul1(bits, inputs, 4096), rows);
        EXPECT_LE(product_room(pass.segments.count, pass.sums), most)
            << bits << " bits, rows " << rows << ", " << inputs;
      }
    }
  }
  EXPECT_EQ(most_product_room(64, 14336, 4096), 4);
  EXPECT_EQ(most_product_room(65, 14336, 4096), 1);  // two parts in fp16
  EXPECT_EQ(most_product_room(65, 28672, 4096), 2);
  EXPECT_EQ(most_product_room(1, 28672, 8192), 4);
}

TEST(Passes, LeaveHalvesOfManyRowsOnEveryGpu) {
  const MatrixSizes sizes = mul1(4, 4096, 4096);
  EXPECT_EQ(choose_pass(kH100, false, sizes, 65).sums, DType::kFloat16);
  EXPECT_EQ(choose_pass(kH100, false, sizes, 64).sums, DType::kFloat32);
  EXPECT_EQ(choose_pass(kRtx3090, false, sizes, 65).sums, DType::kFloat16);
  EXPECT_EQ(choose_pass(kRtx3090, false, sizes, 64).sums, DType::kFloat32);
}

TEST(StagedRows, AreSharedByTheCtasOfAClusterWhereTheyAreFew) {
  EXPECT_EQ(row_ctas(kH100, 64), 4);
  EXPECT_EQ(row_ctas(kH100, 65), 1);
  EXPECT_EQ(row_ctas(kRtx3090, 64), 1);
}

TEST(RopeStore, GivesACtaWholeHeadsAndWholeBlocksOfALayer) {
  EXPECT_EQ(rope_store_numbers(64, 32, 8, 128), 128);
  EXPECT_EQ(rope_store_numbers(65, 32, 8, 128), 512);
  EXPECT_EQ(rope_store_numbers(65, 6, 2, 128), 256);
  EXPECT_EQ(rope_store_numbers(65, 4, 1, 128), 128);
  EXPECT_EQ(rope_store_numbers(65, 4, 2, 256), 512);
  EXPECT_EQ(rope_store_numbers(65, 4, 2, 64), 128);
}

TEST(Slices, AreWholeTilesAndNeverMoreThanTheMatrix) {
  EXPECT_EQ(slice_columns(kH100, 4096, 1024), 1024);
  EXPECT_EQ(slice_columns(kH100, 4096, 128256), 16384);
  EXPECT_EQ(slice_columns({4, 0, 1}, 4096, 1024), 128);  // however little there is
  EXPECT_EQ(slice_bytes(int64_t{1} << 30), int64_t{16} << 20);
  EXPECT_EQ(slice_bytes(int64_t{80} << 30), int64_t{128} << 20);
}

struct AttentionCase {
  std::string name;
  DeviceLimits device;
  bool is_exact;
  AttentionSizes sizes;
  int64_t rows;
  AttentionKernel kernel;
};

void PrintTo(const AttentionCase& c, std::ostream* out) {
  *out << c.name;
}

class AttentionChoice : public testing::TestWithParam<AttentionCase> {};

TEST_P(AttentionChoice, IsThisForTheSizes) {
  const AttentionCase& c = GetParam();

  EXPECT_EQ(
      to_string(choose_attention(c.device, c.is_exact, c.sizes, c.rows)), to_string(c.kernel)
  );
}

std::vector<AttentionCase> attention_cases() {
  const AttentionSizes llama = {32, 8, 128, 16, 16};
  constexpr AttentionKernel kSpans = AttentionKernel::kSpans;
  constexpr AttentionKernel kFlash = AttentionKernel::kFlash;
  constexpr AttentionKernel kFlashWgmma = AttentionKernel::kFlashWgmma;
  return {
      {"H100Sixteen", kH100, false, llama, 16, kSpans},
      {"H100Seventeen", kH100, false, llama, 17, kFlash},
      {"H100SixtyFour", kH100, false, llama, 64, kFlash},
      {"H100SixtyFive", kH100, false, llama, 65, kFlashWgmma},
      {"H100HeadsOf64", kH100, false, {32, 8, 64, 16, 16}, 2048, kFlashWgmma},
      {"H100HeadsOf96", kH100, false, {32, 8, 96, 16, 16}, 2048, kFlash},
      {"H100QuantizedKeys", kH100, false, {32, 8, 128, 8, 16}, 2048, kFlash},
      {"H100QuantizedValues", kH100, false, {32, 8, 128, 16, 4}, 2048, kFlash},
      {"H100Exact", kH100, true, llama, 2048, kSpans},
      {"Rtx3090Prompt", kRtx3090, false, llama, 2048, kFlash},
      {"Rtx3090Sixteen", kRtx3090, false, llama, 16, kSpans},
      {"Rtx3090Seventeen", kRtx3090, false, llama, 17, kFlash},
      {"QuantizedCache", kH100, false, {32, 8, 128, 4, 8}, 64, kFlash},
      {"Float32Cache", kH100, false, {32, 8, 128, 16, 32}, 64, kSpans},
      {"UnusualHeads", kH100, false, {32, 8, 112, 16, 16}, 64, kSpans},
      {"ManyHeadsToAKvHead", kH100, false, {65, 1, 64, 16, 16}, 64, kSpans},
  };
}

INSTANTIATE_TEST_SUITE_P(
    , AttentionChoice, testing::ValuesIn(attention_cases()),
    [](const auto& info) { return info.param.name; }
);

TEST(AttentionKernels, PrintThemselves) {
  EXPECT_EQ(to_string(AttentionKernel::kSpans), "attention");
  EXPECT_EQ(to_string(AttentionKernel::kFlash), "flash_attention");
  EXPECT_EQ(to_string(AttentionKernel::kFlashWgmma), "flash_wgmma");
}

TEST(BlockPlan, NamesTheKernelOfEveryProductAndOfAttention) {
  const BlockSizes sizes = {4, exl3::Codebook::kMul1, 4096, 14336, 32, 8, 128, {}};

  EXPECT_EQ(
      describe_block(kH100, false, sizes, 64),
      "q, k, v: exl3_wgmma, tiles of 64 x 128, segments: 3; attention: flash_attention; "
      "o: exl3_wgmma, tiles of 64 x 128, segments: 4; "
      "gate, up: exl3_wgmma, tiles of 64 x 128, segments: 1; "
      "down: exl3_wgmma, tiles of 64 x 128, segments: 4"
  );
}

}  // namespace
}  // namespace trellis::cuda
