// Checksums of large stretches of bytes, as fast as memory is read. They find what a disk or a
// half-written file has changed; whoever wants to can make two stretches of the same checksum.
#pragma once

#include "base/siphash.h"

#include <cstddef>
#include <span>

namespace trellis {

/// XXH3 with 128 bits (Collet, xxHash 0.8), without a seed.
Hash128 checksum128(std::span<const std::byte> bytes);

}  // namespace trellis
