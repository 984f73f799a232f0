// Brings the words of a trellis from the file's order into this backend's.
#pragma once

#include "backend/cuda/exl3_layout.h"

#include <cuda_runtime.h>

namespace trellis::cuda {

/// source: [in_tiles, out_tiles, 8 * bits] words as in the file. destination: layout.words().
void exl3_repack(
    cudaStream_t stream, const uint32_t* source, const Exl3Layout& layout, uint32_t* destination
);

}  // namespace trellis::cuda
