// Which weight of a 16x16 tile each of its 256 trellis steps encodes: the order in which the lanes
// of a warp hold the B operand of a 16x8x16 tensor-core product, eight steps per lane. Row = input
// channel, column = output channel.
#pragma once

#include "base/host_device.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace trellis::exl3 {

inline constexpr int kTileSize = 16;

struct TilePosition {
  int row;     // input channel inside the tile
  int column;  // output channel inside the tile
};

/// The position that a step encodes. step: 0 to 255.
TRELLIS_HD constexpr TilePosition position_of_step(int step) {
  const int lane = step >> 3;
  const int part = step & 7;
  return {
      2 * (lane & 3) + (part & 1) + 8 * ((part >> 1) & 1),
      (lane >> 2) + 8 * (part >> 2),
  };
}

/// The step that encodes a position: the inverse of position_of_step.
TRELLIS_HD constexpr int step_of_position(int row, int column) {
  const int lane = 4 * (column & 7) + ((row & 7) >> 1);
  const int part = (row & 1) + 2 * (row >> 3) + 4 * (column >> 3);
  return 8 * lane + part;
}

namespace detail {

constexpr std::array<uint8_t, 256> make_position_table() {
  std::array<uint8_t, 256> table{};
  for (int step = 0; step < 256; ++step) {
    const TilePosition position = position_of_step(step);
    table[static_cast<size_t>(step)] =
        static_cast<uint8_t>(kTileSize * position.row + position.column);
  }
  return table;
}

constexpr std::array<uint8_t, 256> make_step_table() {
  std::array<uint8_t, 256> table{};
  for (int index = 0; index < 256; ++index) {
    table[static_cast<size_t>(index)] =
        static_cast<uint8_t>(step_of_position(index / kTileSize, index % kTileSize));
  }
  return table;
}

}  // namespace detail

/// kPositionOfStep[step] = 16 * row + column.
inline constexpr std::array<uint8_t, 256> kPositionOfStep = detail::make_position_table();

/// kStepOfPosition[16 * row + column] = step.
inline constexpr std::array<uint8_t, 256> kStepOfPosition = detail::make_step_table();

}  // namespace trellis::exl3
