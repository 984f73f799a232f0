// Rotates the channels of a whole weight matrix by the blockwise 128-point Hadamard transform, on
// all threads. What it does to one block is in exl3/hadamard.h.
#pragma once

#include "base/thread_pool.h"

#include <cstdint>

namespace trellis {

/// matrix[rows, columns] times diag(H, H, ...) / sqrt(128), in place. columns: a multiple of 128.
void rotate_columns(float* matrix, int64_t rows, int64_t columns, ThreadPool& pool);

/// diag(H, H, ...) / sqrt(128) times matrix[rows, columns], in place. rows: a multiple of 128.
void rotate_rows(float* matrix, int64_t rows, int64_t columns, ThreadPool& pool);

}  // namespace trellis
