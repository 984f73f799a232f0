// In place of backend/create.cpp: every engine of this program runs on the emulation of CUDA.
#include "backend/backend.h"
#include "backend/cuda/cuda_backend.h"

namespace trellis {

std::unique_ptr<Backend> create_backend(const std::string&, const BackendOptions& options) {
  return make_cuda_backend(options);
}

}  // namespace trellis
