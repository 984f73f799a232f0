// A tile of rows of fp16 numbers in shared memory, as mma's operands are read from it, and how rows
// of the cache get there whatever their type.
#pragma once

#include "backend/cuda/device/kv_reader.cuh"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/kernels/kv_rows.h"

#include <cuda_fp16.h>

#include <cstring>

namespace trellis::cuda {

/// kRows rows of kWidth numbers, from a multiple of 128 bytes on. 16-byte pieces are swapped by the
/// row's number within blocks of eight, or of four where rows are an odd multiple of 64 bytes and
/// two of them fill all banks: so eight rows of one piece (ldmatrix) and eight pieces of one row
/// (copies) meet no bank conflicts.
template <int kRows, int kWidth>
struct HalfTile {
  static constexpr int kPieces = kWidth / 8;
  static constexpr int kBlock = kPieces % 8 == 0 ? 8 : 4;
  static constexpr int kRowBytes = kWidth * 2;
  static constexpr int kBytes = kRows * kRowBytes;
  static_assert(kPieces % kBlock == 0 && kBytes % 128 == 0, "whole blocks");

  /// Where 16-byte piece `piece` of a row stands.
  __device__ __forceinline__ static uint32_t offset(int row, int piece) {
    const int swap = kBlock == 8 ? row % 8 : row / 2 % 4;
    return static_cast<uint32_t>(row * kRowBytes + (piece ^ swap) * 16);
  }

  /// The address `pieces`, an even number, behind that of piece 0 or 1 of any row. Cheap where
  /// `pieces` is constant: addresses need not be kept in registers.
  __device__ __forceinline__ static uint32_t behind(uint32_t address, int pieces) {
    const int swapped = pieces % kBlock * 16;
    return (address ^ static_cast<uint32_t>(swapped)) +
           static_cast<uint32_t>(pieces / kBlock * kBlock * 16);
  }
};

/// Two numbers of a fragment in one register, the first in the low half.
__device__ __forceinline__ uint32_t pack_halves(float first, float second) {
  const __half2 halves = __floats2half2_rn(first, second);
  uint32_t bits = 0;
  memcpy(&bits, &halves, sizeof(bits));
  return bits;
}

/// Fills a tile with rows of kHeadDim numbers of one head's page: `count` of them from first_row
/// on, zeros behind them. fp16 rows are on their way until cp_async_wait(); quantized ones are
/// rounded to fp16, in the rotated domain of kv_reader.cuh.
template <typename Tile, int kRows, int kHeadDim, int kThreads, bool kMayBeQuantized>
__device__ __forceinline__ void load_tile(
    uint32_t tile, const KvRows& rows, int64_t first_row, int count
) {
  // A thread owns a piece of every block of every kPassRows-th row; they are swapped alike.
  constexpr int kPassRows = kThreads / Tile::kBlock;
  static_assert(kRows % kPassRows == 0 && kPassRows % 8 == 0, "whole passes, swapped alike");
  const int tid = thread_index();
  const int own_row = tid / Tile::kBlock;
  const int own_piece = tid % Tile::kBlock;
  const uint32_t own = tile + Tile::offset(own_row, own_piece);
  const auto own_number = static_cast<uint32_t>(own_row * kHeadDim + own_piece * 8);
  const auto is_there = [&](int piece) { return (own_piece + piece) * 8 < kHeadDim; };
  if (!kMayBeQuantized || !rows.is_quantized()) {
    const __half* numbers =
        static_cast<const __half*>(rows.numbers) + first_row * kHeadDim + own_number;
#pragma unroll
    for (int row = 0; row < kRows; row += kPassRows) {
#pragma unroll
      for (int piece = 0; piece < Tile::kPieces; piece += Tile::kBlock) {
        if (!is_there(piece)) continue;
        cp_async_16_zero(
            own + row * Tile::kRowBytes + piece * 16, numbers + row * kHeadDim + piece * 8,
            own_row + row < count
        );
      }
    }
    return;
  }
  const AnyReader reader(rows, first_row, kHeadDim);
#pragma unroll 1
  for (int row = 0; row < kRows; row += kPassRows) {
#pragma unroll
    for (int piece = 0; piece < Tile::kPieces; piece += Tile::kBlock) {
      if (!is_there(piece)) continue;
      float v[8] = {};
      if (own_row + row < count) reader.load(own_row + row, (own_piece + piece) * 8, v);
      const uint4 halves = {
          pack_halves(v[0], v[1]), pack_halves(v[2], v[3]), pack_halves(v[4], v[5]),
          pack_halves(v[6], v[7])
      };
      store_shared_128(own + row * Tile::kRowBytes + piece * 16, halves);
    }
  }
}

}  // namespace trellis::cuda
