// Brings the words of a trellis from the file's order into this backend's.
#pragma once

#include "backend/cuda/exl3_layout.h"

#include <cuda_runtime.h>

namespace trellis::cuda {

/// A trellis is [in_tiles, out_tiles, 8 * bits] words in the file. source: `count` of them, from
/// number `first` on. destination: layout.words(), of which theirs are written.
void exl3_repack(
    cudaStream_t stream, const uint32_t* source, int64_t first, int64_t count,
    const Exl3Layout& layout, uint32_t* destination
);

}  // namespace trellis::cuda
