// The backend for NVIDIA GPUs: one device, one stream.
#pragma once

#include "backend/backend.h"

#include <memory>

namespace trellis {

/// Takes options.device. Throws UserError saying why where that device cannot be used.
std::unique_ptr<Backend> make_cuda_backend(const BackendOptions& options);

}  // namespace trellis
