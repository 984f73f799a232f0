// The order of a packed matrix's words, against a statement of it that counts addresses up.
#include "backend/cuda/exl3_layout.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace trellis::cuda {
namespace {

struct Parameter {
  int bits;
  int64_t inputs;
  int64_t outputs;

  Exl3Layout layout() const { return {bits, inputs / kTileSize, outputs / kTileSize}; }
  int64_t words() const { return inputs * outputs * bits / 32; }
};

void PrintTo(const Parameter& parameter, std::ostream* out) {
  *out << parameter.bits << " bits, " << parameter.inputs << " x " << parameter.outputs;
}

class Exl3LayoutTest : public testing::TestWithParam<Parameter> {};

TEST_P(Exl3LayoutTest, GivesEveryWordAPlaceOfItsOwn) {
  const Exl3Layout layout = GetParam().layout();
  std::set<int64_t> places;

  for (int64_t in_tile = 0; in_tile < layout.in_tiles; ++in_tile) {
    for (int64_t out_tile = 0; out_tile < layout.out_tiles; ++out_tile) {
      for (int word = 0; word < 8 * layout.bits; ++word) {
        places.insert(layout.place(in_tile, out_tile, word));
      }
    }
  }

  EXPECT_EQ(static_cast<int64_t>(places.size()), GetParam().words());
  EXPECT_GE(*places.begin(), 0);
  EXPECT_LT(*places.rbegin(), layout.words());
}

TEST_P(Exl3LayoutTest, HoldsNothingElseWhereTheInputsAreWholeChunks) {
  const Exl3Layout layout = GetParam().layout();
  const int64_t partial = GetParam().inputs % layout.chunk_inputs();
  const int64_t padding = partial == 0 ? 0 : layout.chunk_inputs() - partial;

  EXPECT_EQ(layout.words(), GetParam().words() + padding * GetParam().outputs * layout.bits / 32);
}

TEST_P(Exl3LayoutTest, StreamsPiecesOf16BytesToTheLanesInTheOrderTheyDecode) {
  const Exl3Layout layout = GetParam().layout();
  const int bits = layout.bits;
  const auto steps = static_cast<int>(layout.chunk_inputs() / kStepInputs);
  const auto tiles = static_cast<int>(layout.out_tiles / layout.groups());
  ASSERT_EQ(steps * bits % 4, 0) << "a lane's words of a chunk are whole pieces";

  // Where a warp reads next, and which word of which tile its lanes expect there.
  int64_t address = 0;
  for (int64_t group = 0; group < layout.groups(); ++group) {
    for (int64_t chunk = 0; chunk < layout.chunks(); ++chunk) {
      for (int tile = 0; tile < tiles; ++tile) {
        for (int piece = 0; piece < steps * bits / 4; ++piece) {
          for (int lane = 0; lane < 32; ++lane) {
            for (int of_piece = 0; of_piece < 4; ++of_piece, ++address) {
              const int of_lane = 4 * piece + of_piece;
              const int64_t in_tile = (chunk * steps + of_lane / bits) * 4 + lane % 4;
              if (in_tile >= layout.in_tiles) continue;
              const int word = lane / 4 * bits + of_lane % bits;
              ASSERT_EQ(layout.place(in_tile, tiles * group + tile, word), address)
                  << "lane " << lane << ", word " << of_lane << " of its chunk " << chunk;
            }
          }
        }
      }
    }
  }
  EXPECT_EQ(address, layout.words());
}

std::vector<Parameter> parameters() {
  std::vector<Parameter> all;
  for (int bits = 1; bits <= 8; ++bits) {
    all.push_back({bits, 128, 128});
    all.push_back({bits, 256, 384});
    all.push_back({bits, 384, 128});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, Exl3LayoutTest, testing::ValuesIn(parameters()),
    [](const testing::TestParamInfo<Parameter>& info) {
      return "bits_" + std::to_string(info.param.bits) + "_of_" +
             std::to_string(info.param.inputs) + "_by_" + std::to_string(info.param.outputs);
    }
);

}  // namespace
}  // namespace trellis::cuda
