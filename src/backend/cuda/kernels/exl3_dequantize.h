// Decodes columns of an EXL3 matrix to fp16, for products that multiply them with other means.
#pragma once

#include "backend/cuda/kernels/exl3_matrix.h"

#include <cuda_runtime.h>

#include <cstdint>

namespace trellis::cuda {

/// Columns are decoded in multiples of this many.
inline constexpr int64_t kDequantizeColumns = 128;

/// out[n - begin, k] = Wt[k, n] for the columns [begin, end) of the rotated matrix, exactly, as
/// fp16 [end - begin, padded_in]. begin, end: multiples of kDequantizeColumns.
void exl3_dequantize(
    cudaStream_t stream, const Exl3Matrix& matrix, int64_t begin, int64_t end, uint16_t* out
);

}  // namespace trellis::cuda
