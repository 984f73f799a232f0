// Finds how far a rotated weight should be stretched before it is encoded: a codebook has most of
// its values near zero, so the best gain trades the error of the many against that of the few
// beyond its range. Measured with the encoder itself on a sample of tiles.
#pragma once

#include "base/thread_pool.h"
#include "convert/rotated_weight.h"
#include "convert/viterbi.h"

#include <cstdint>

namespace trellis {

/// The gain g > 0 for which encoding g * values and dividing by g loses least. Deterministic.
float search_gain(
    const RotatedWeight& rotated, const TileEncoder& encoder, ThreadPool& pool,
    std::span<TileEncoder::Workspace> workspaces
);

/// Writes tile (tile_row, tile_column) of values times gain in step order to weights[256].
void gather_tile(
    const RotatedWeight& rotated, int64_t tile_row, int64_t tile_column, float gain, float* weights
);

}  // namespace trellis
