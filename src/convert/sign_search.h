// Chooses the signs of the channels: the rotation makes a weight close to normal whatever they are,
// but where rows or columns have much in common, as in an embedding, random signs leave tails far
// beyond the codebook's range. Signs cost nothing in the file, so a search takes better ones.
#pragma once

#include "base/thread_pool.h"

#include <cstdint>
#include <vector>

namespace trellis {

/// Flips signs (+1 or -1) of the channels of values [in, out] as long as the fourth powers of the
/// rotated values, H diag(in_signs) values diag(out_signs) H, sum to clearly less with each flip: a
/// measure of their tails, the sum of squares being fixed. in and out: multiples of 128. Looks at a
/// part of a large matrix. Every thread count gives the same signs.
void search_signs(
    const std::vector<float>& values, std::vector<float>& in_signs, std::vector<float>& out_signs,
    ThreadPool& pool
);

}  // namespace trellis
