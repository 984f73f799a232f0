// Memory of the current device as buffers.
#pragma once

#include "tensor/buffer.h"

#include <cstddef>

namespace trellis::cuda {

/// Contents undefined; aligned to 256 bytes. Throws UserError with the figures when there is not
/// enough.
Buffer allocate_device(size_t bytes);

/// Page-locked host memory, which copies run from and to at full speed. Throws UserError.
Buffer allocate_pinned(size_t bytes);

}  // namespace trellis::cuda
