#include "convert/rotation.h"

#include "exl3/hadamard.h"

#include <algorithm>

namespace trellis {
namespace {

using exl3::kHadamardBlock;
using exl3::kHadamardScale;

/// Columns transformed together, so that a block of 128 rows of them stays in the nearest cache.
constexpr int64_t kColumnsTogether = 64;

/// The transform along the first axis of block[128, count], rows `stride` elements apart.
void rotate_block_rows(float* block, int64_t stride, int64_t count) {
  for (int64_t half = 1; half < kHadamardBlock; half *= 2) {
    for (int64_t begin = 0; begin < kHadamardBlock; begin += 2 * half) {
      for (int64_t row = begin; row < begin + half; ++row) {
        float* low = block + row * stride;
        float* high = low + half * stride;
        for (int64_t column = 0; column < count; ++column) {
          const float sum = low[column] + high[column];
          high[column] = low[column] - high[column];
          low[column] = sum;
        }
      }
    }
  }
  for (int64_t row = 0; row < kHadamardBlock; ++row) {
    for (int64_t column = 0; column < count; ++column) {
      block[row * stride + column] *= kHadamardScale;
    }
  }
}

}  // namespace

void rotate_columns(float* matrix, int64_t rows, int64_t columns, ThreadPool& pool) {
  pool.for_each(rows, 16, [&](int64_t begin, int64_t end, int) {
    for (float* block = matrix + begin * columns; block < matrix + end * columns;
         block += kHadamardBlock) {
      exl3::hadamard<kHadamardBlock>(block);
      for (int index = 0; index < kHadamardBlock; ++index) block[index] *= kHadamardScale;
    }
  });
}

void rotate_rows(float* matrix, int64_t rows, int64_t columns, ThreadPool& pool) {
  const int64_t chunks = (columns + kColumnsTogether - 1) / kColumnsTogether;
  pool.for_each(rows / kHadamardBlock * chunks, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t first_row = item / chunks * kHadamardBlock;
      const int64_t first_column = item % chunks * kColumnsTogether;
      rotate_block_rows(
          matrix + first_row * columns + first_column, columns,
          std::min(kColumnsTogether, columns - first_column)
      );
    }
  });
}

}  // namespace trellis
