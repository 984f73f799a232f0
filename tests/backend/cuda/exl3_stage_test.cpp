// The order of staged activations, against the fragments of weights that they meet.
#include "backend/cuda/exl3_stage.h"

#include "backend/cuda/exl3_window.h"

#include <gtest/gtest.h>

#include <set>

namespace trellis::cuda {
namespace {

/// PTX ISA, mma.m16n8k16: register r of lane 4 g + t holds columns 2 t + half + 8 (r / 2) of row g
/// + 8 (r % 2). Fragment s is made of the pairs of windows 8 s + 2 i: r = 0, 2, 1, 3.
TEST(Exl3Stage, MeetsTheInputsOfTheDecodedWindows) {
  for (int slab = 0; slab < 4; ++slab) {
    for (int t = 0; t < 4; ++t) {
      for (int i = 0; i < 8; ++i) {
        const int k = 2 * t + i % 2 + 8 * (i / 2 % 2);  // of the fragment's 16
        const int input = kTileSize * t + input_of_window(8 * slab + i);

        ASSERT_EQ(input_of_stage(2 * slab + k / 8, k % 8), input)
            << "slab " << slab << ", lane " << t << ", window " << i;
        ASSERT_EQ(column_of_window(3, 8 * slab + i), 3 + 8 * (i / 4));
      }
    }
  }
}

TEST(Exl3Stage, GivesEveryPieceAPlaceOfItsOwn) {
  constexpr int64_t kRows = 130;
  constexpr int64_t kSteps = 3;
  std::set<int64_t> places;

  for (int64_t row = 0; row < kRows; ++row) {
    for (int64_t step = 0; step < kSteps; ++step) {
      for (int piece = 0; piece < kStagePieces; ++piece) {
        places.insert(stage_place(row, step, piece, kSteps));
      }
    }
  }

  EXPECT_EQ(static_cast<int64_t>(places.size()), kRows * kSteps * kStagePieces);
  EXPECT_EQ(stage_halves(kRows, kSteps), 192 * kSteps * kStepInputs);
  EXPECT_LT(*places.rbegin() * kPieceHalves, stage_halves(kRows, kSteps));
}

TEST(Exl3Stage, PutsABlockOfRowsIntoOnePieceOfMemory) {
  constexpr int64_t kSteps = 5;
  constexpr int64_t kBlockPieces = kStageBlockBytes / 16;

  for (int64_t row = 64; row < 128; ++row) {
    EXPECT_EQ(stage_place(row, 2, 7, kSteps) / kBlockPieces, kSteps + 2);
  }
  // A row is 128 bytes; its pieces are exchanged by its number.
  EXPECT_EQ(stage_place(64 + 9, 2, 0, kSteps) % kBlockPieces, 9 * 8 + 1);
  EXPECT_EQ(stage_place(64 + 9, 2, 6, kSteps) % kBlockPieces, 9 * 8 + 7);
}

}  // namespace
}  // namespace trellis::cuda
