// The CUDA backend: on a GPU, or on the emulation where the program is linked with that.
#include "backend/backends_under_test.h"
#include "backend/cuda/cuda_backend.h"

namespace trellis::test {
namespace {

std::unique_ptr<Backend> make_cuda(const BackendOptions& options, const std::string&) {
  return make_cuda_backend(options);
}

}  // namespace

std::vector<BackendUnderTest> fast_backends() {
  return {{"cuda", "cuda", make_cuda}};
}

std::vector<BackendUnderTest> all_backends() {
  return fast_backends();
}

// None: which kernel computes a row that is rounded depends on how many there are.
std::vector<BackendUnderTest> row_exact_backends() {
  return {};
}

}  // namespace trellis::test
