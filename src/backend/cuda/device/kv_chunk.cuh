// Rows of the cache on their way through shared memory: a chunk of consecutive positions of one
// head is copied as it is, whatever its type, and decoded where it is read, eight channels of a row
// to a lane. Quantized rows are read in the rotated domain: channels = H * numbers, so a product
// with a query is one with the rotated query, and a weighted sum of values is rotated back once at
// the end.
#pragma once

#include "backend/cuda/device/element.cuh"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/device/reduce.cuh"
#include "backend/cuda/kernels/kv_rows.h"
#include "base/host_device.h"
#include "exl3/kv_quant.h"

#include <cstdint>
#include <cstring>

namespace trellis::cuda {

/// Channels of a row that a lane reads at once: of one group, where they are quantized.
inline constexpr int kLaneChannels = 8;

/// Bytes of a row of numbers, and of its scales.
TRELLIS_HD constexpr int row_bytes(const KvRows& rows, int head_dim) {
  return head_dim * rows.bits / 8;
}
TRELLIS_HD constexpr int scale_bytes(const KvRows& rows, int head_dim) {
  return rows.is_quantized() ? head_dim / exl3::kKvGroup * static_cast<int>(sizeof(uint16_t)) : 0;
}

/// What the numbers that a lane reads are to be multiplied by, besides the scale of their group.
__device__ __forceinline__ float unit_of(const KvRows& rows) {
  if (!rows.is_quantized()) return 1.0f;
  return exl3::kKvHadamardScale / static_cast<float>(1 << (rows.bits - 1));
}

/// Starts copying `bytes`, rounded up to 16, by one warp. Both places are aligned to 16.
__device__ __forceinline__ void copy_pieces(uint32_t shared, const char* global, int bytes) {
  constexpr int kPiece = 16;
  constexpr int kStride = kWarp * kPiece;
  constexpr int kAtOnce = 4;
  const int own = thread_index() % kWarp * kPiece;
  shared += own;
  global += own;
  int left = bytes - own;
#pragma unroll 1
  for (; left > (kAtOnce - 1) * kStride; left -= kAtOnce * kStride) {
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) cp_async_16(shared + i * kStride, global + i * kStride);
    shared += kAtOnce * kStride;
    global += kAtOnce * kStride;
  }
#pragma unroll
  for (int i = 0; i < kAtOnce - 1; ++i) {
    if (left > i * kStride) cp_async_16(shared + i * kStride, global + i * kStride);
  }
}

/// Starts copying the first `count` of kPositions rows, by one warp: numbers, then, behind those of
/// all positions, scales. first_row: of the cache, a multiple of kPositions, itself one of 8: so
/// whatever a row takes, a chunk is whole pieces of 16 bytes.
template <int kPositions>
__device__ __forceinline__ void copy_chunk(
    uint32_t chunk, const KvRows& rows, int head_dim, int64_t first_row, int count
) {
  static_assert(kPositions % 8 == 0, "whole pieces");
  const int numbers = row_bytes(rows, head_dim);
  copy_pieces(chunk, static_cast<const char*>(rows.numbers) + first_row * numbers, count * numbers);
  if (!rows.is_quantized()) return;
  const int scales = scale_bytes(rows, head_dim);
  const char* from = reinterpret_cast<const char*>(rows.scales) + first_row * scales;
  copy_pieces(chunk + kPositions * numbers, from, count * scales);
}

/// A chunk in shared memory, as a lane sees it.
struct KvChunk {
  const char* numbers;
  const uint16_t* scales;
  int head_dim;
  int channel;  // the first of the lane's
};

/// fp16 or fp32. kWhole: rows are whole pieces of kLaneChannels.
template <typename Element, bool kWhole>
class DenseRows {
 public:
  static constexpr bool kHasScales = false;

  __device__ explicit DenseRows(const KvChunk& chunk)
      : numbers_(reinterpret_cast<const Element*>(chunk.numbers) + chunk.channel),
        head_dim_(chunk.head_dim),
        count_(min(kLaneChannels, chunk.head_dim - chunk.channel)) {}

  /// As they are, for heads that are whole pieces of fp16: those of the lane in group `group`.
  __device__ __forceinline__ void load_halves(
      int row, int group, uint32_t (&pairs)[kLaneChannels / 2]
  ) const {
    static_assert(kWhole && sizeof(Element) == 2, "16 bytes");
    const Element* numbers = numbers_ + row * head_dim_ + group * exl3::kKvGroup;
    const uint4 loaded = *reinterpret_cast<const uint4*>(numbers);
    pairs[0] = loaded.x;
    pairs[1] = loaded.y;
    pairs[2] = loaded.z;
    pairs[3] = loaded.w;
  }

  __device__ __forceinline__ void load(int row, float (&v)[kLaneChannels]) const {
    const Element* numbers = numbers_ + row * head_dim_;
    if constexpr (kWhole) {
      constexpr int kPieceElements = 16 / sizeof(Element);
      struct alignas(16) Piece {
        Element elements[kPieceElements];
      };
#pragma unroll
      for (int i = 0; i < kLaneChannels; i += kPieceElements) {
        const Piece piece = *reinterpret_cast<const Piece*>(numbers + i);
#pragma unroll
        for (int j = 0; j < kPieceElements; ++j) v[i + j] = to_float(piece.elements[j]);
      }
    } else {
#pragma unroll
      for (int i = 0; i < kLaneChannels; ++i) v[i] = i < count_ ? to_float(numbers[i]) : 0.0f;
    }
  }

 private:
  const Element* numbers_;
  int head_dim_;
  int count_;
};

/// Codes of 2 to 8 bits, as exl3::kv_pack() makes them: read as code - middle, without their scale.
template <int kBits>
class CodeRows {
 public:
  static constexpr bool kHasScales = true;

  __device__ explicit CodeRows(const KvChunk& chunk)
      : words_(chunk.numbers + chunk.channel / exl3::kKvGroup * kGroupBytes),
        scales_(chunk.scales + chunk.channel / exl3::kKvGroup),
        groups_(chunk.head_dim / exl3::kKvGroup),
        part_(chunk.channel % exl3::kKvGroup / kLaneChannels) {}

  __device__ __forceinline__ void load(int row, float (&v)[kLaneChannels]) const {
    const CodeBytes codes = load_codes(row * groups_);
#pragma unroll
    for (int i = 0; i < kLaneChannels; ++i) {
      const bool second = kBits == 8 ? i >= 4 : i % 2 != 0;
      const int byte = kBits == 8 ? i % 4 : i / 2;
      v[i] = centred(second ? codes.second : codes.first, byte);
    }
  }
  /// The same as pairs of fp16, of the group that is `group` behind the lane's, in the order of
  /// are_evens_first().
  __device__ __forceinline__ void load_halves(
      int row, int group, uint32_t (&pairs)[kLaneChannels / 2]
  ) const {
    const CodeBytes codes = load_codes(row * groups_ + group);
    pairs[0] = centred_pair(codes.first, 0x4140);
    pairs[1] = centred_pair(codes.first, 0x4342);
    pairs[2] = centred_pair(codes.second, 0x4140);
    pairs[3] = centred_pair(codes.second, 0x4342);
  }
  __device__ __forceinline__ float scale(int row, int group = 0) const {
    return __half2float(__ushort_as_half(scales_[row * groups_ + group]));
  }

 private:
  static constexpr int kGroupBytes = kBits * 4;

  /// Eight codes, a byte each: those of even and of odd channels, or, of 8 bits, four and four.
  struct alignas(8) CodeBytes {
    uint32_t first;
    uint32_t second;
  };

  __device__ __forceinline__ CodeBytes load_codes(int group) const {
    const char* words = words_ + group * kGroupBytes;
    CodeBytes codes = {0, 0};
    if constexpr (kBits == 8) {
      codes = *reinterpret_cast<const CodeBytes*>(words + part_ * 8);
    } else {
      add_planes<kBits>(words, codes);
    }
    return codes;
  }

  /// Appends the planes of the kRemaining lowest bits, which begin at `plane`.
  template <int kRemaining>
  __device__ __forceinline__ void add_planes(const char* plane, CodeBytes& codes) const {
    constexpr int kWidth = exl3::kv_plane_width(kRemaining);
    uint32_t pairs;  // a byte for two neighbours, the first one in the low bits
    uint32_t mask;
    if constexpr (kWidth == 4) {
      pairs = *reinterpret_cast<const uint32_t*>(plane + part_ * 4);
      mask = 0x0F0F0F0F;
    } else if constexpr (kWidth == 2) {
      pairs = *reinterpret_cast<const uint16_t*>(plane + part_ * 2);
      pairs = (pairs | pairs << 8) & 0x00FF00FF;
      pairs = (pairs | pairs << 4) & 0x0F0F0F0F;
      mask = 0x03030303;
    } else {
      pairs = *reinterpret_cast<const uint8_t*>(plane + part_);
      pairs = (pairs | pairs << 12) & 0x000F000F;
      pairs = (pairs | pairs << 6) & 0x03030303;
      mask = 0x01010101;
    }
    codes.first = codes.first << kWidth | (pairs & mask);
    codes.second = codes.second << kWidth | (pairs >> kWidth & mask);
    if constexpr (kRemaining > kWidth) {
      add_planes<kRemaining - kWidth>(plane + 4 * kWidth, codes);
    }
  }

  /// A byte of `codes` less the middle of the grid, exactly: the byte is put where 2^15 has its
  /// integers, half of which are then exact, too.
  __device__ __forceinline__ static float centred(uint32_t codes, int byte) {
    constexpr float kMiddle = static_cast<float>(1 << (kBits - 1)) - 0.5f;
    const uint32_t bits =
        __byte_perm(codes, 0x47000000, 0x7404u | static_cast<uint32_t>(byte) << 4);
    return __uint_as_float(bits) - (32768.0f + kMiddle);
  }

  /// Two bytes of `codes`, which the selector puts where 2^10 has its integers, less the middle:
  /// in two steps, since that is no integer.
  __device__ __forceinline__ static uint32_t centred_pair(uint32_t codes, uint32_t selector) {
    const uint32_t bits = __byte_perm(codes, 0x64646464, selector);
    __half2 pair;
    memcpy(&pair, &bits, sizeof(pair));
    pair = __hadd2(pair, __float2half2_rn(-1024.0f - static_cast<float>(1 << (kBits - 1))));
    pair = __hadd2(pair, __float2half2_rn(0.5f));
    uint32_t result = 0;
    memcpy(&result, &pair, sizeof(result));
    return result;
  }

  const char* words_;
  const uint16_t* scales_;
  int groups_;
  int part_;  // of a group, the lane's
};

/// Whether the halves of a row's eight channels stand in the order 0 2 4 6 1 3 5 7.
__device__ __forceinline__ bool are_evens_first(int bits) {
  return bits < 8;
}

/// Calls fn with the rows of a chunk as what they are: quantized, or fp16 in whole pieces.
template <typename Function>
__device__ __forceinline__ void visit_half_rows(const KvChunk& chunk, int bits, Function fn) {
  switch (bits) {
    case 2:
      return fn(CodeRows<2>(chunk));
    case 3:
      return fn(CodeRows<3>(chunk));
    case 4:
      return fn(CodeRows<4>(chunk));
    case 5:
      return fn(CodeRows<5>(chunk));
    case 6:
      return fn(CodeRows<6>(chunk));
    case 7:
      return fn(CodeRows<7>(chunk));
    case 8:
      return fn(CodeRows<8>(chunk));
    default:
      return fn(DenseRows<__half, true>(chunk));
  }
}

/// The same for rows of any type.
template <typename Function>
__device__ __forceinline__ void visit_rows(const KvChunk& chunk, int bits, Function fn) {
  const bool whole = chunk.head_dim % kLaneChannels == 0;
  if (bits == 32) {
    return whole ? fn(DenseRows<float, true>(chunk)) : fn(DenseRows<float, false>(chunk));
  }
  if (bits == 16 && !whole) return fn(DenseRows<__half, false>(chunk));
  visit_half_rows(chunk, bits, fn);
}

}  // namespace trellis::cuda
