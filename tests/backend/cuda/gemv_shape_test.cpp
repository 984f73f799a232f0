// How the GEMV kernel shares out a CTA's memory.
#include "backend/cuda/device/gemv_shape.h"

#include <gtest/gtest.h>

namespace trellis::cuda {
namespace {

constexpr int64_t kHopper = 227 << 10;
constexpr int64_t kConsumer = 99 << 10;

template <class Shape>
void check_memory(int64_t inputs, int64_t limit, int slots, int64_t window_inputs) {
  constexpr int64_t kChunk = kStepInputs * Shape::kSteps;
  const GemvMemory memory = Shape::memory(inputs / kChunk, limit);
  EXPECT_EQ(memory.slots, slots);
  EXPECT_EQ(memory.window * kChunk, window_inputs);
  EXPECT_LE(Shape::dynamic_bytes(memory) + Shape::kStaticBytes, limit);
}

TEST(GemvShape, HoldsAllInputsBesideTheLongestRingThatLeavesRoom) {
  using One = GemvShape<4, exl3::Codebook::kMul1, 1>;
  check_memory<One>(4096, kHopper, One::kMostSlots, 4096);
  check_memory<One>(14336, kHopper, One::kMostSlots, 14336);
  using Four = GemvShape<4, exl3::Codebook::kMul1, 4>;
  check_memory<Four>(8192, kHopper, Four::kMostSlots, 8192);
  check_memory<Four>(14336, kHopper, 2, 14336);
}

TEST(GemvShape, HoldsWholeTurnsOfTheWarpsWhereInputsAreTooMany) {
  using Eight = GemvShape<4, exl3::Codebook::kMul1, 8>;
  check_memory<Eight>(14336, kHopper, Eight::kMostSlots, 4096);
  using One = GemvShape<4, exl3::Codebook::kMul1, 1>;
  check_memory<One>(4096, kConsumer, 2, 2048);
}

TEST(GemvShape, ShortensTheRingToOneSlotLast) {
  check_memory<GemvShape<8, exl3::Codebook::kMul1, 8>>(14336, kConsumer, 1, 1024);
}

TEST(GemvShape, RefusesWhatNotEvenOneTurnFits) {
  using Eight = GemvShape<4, exl3::Codebook::kMul1, 8>;
  EXPECT_EQ(Eight::memory(112, 64 << 10).slots, 0);
}

}  // namespace
}  // namespace trellis::cuda
