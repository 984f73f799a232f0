#include "backend/cuda/kernels/exl3_wgmma.h"

#include "base/error.h"

#include <array>

namespace trellis::cuda {

/// Instantiated in exl3_wgmma_1.cu to exl3_wgmma_8.cu.
template <int kBits>
void wgmma_of_bits(cudaStream_t stream, const WgmmaProblem& problem, const WgmmaTile& tile);

namespace {

using Launch = void (*)(cudaStream_t stream, const WgmmaProblem& problem, const WgmmaTile& tile);
constexpr std::array<Launch, 8> kLaunches = {wgmma_of_bits<1>, wgmma_of_bits<2>, wgmma_of_bits<3>,
                                             wgmma_of_bits<4>, wgmma_of_bits<5>, wgmma_of_bits<6>,
                                             wgmma_of_bits<7>, wgmma_of_bits<8>};

}  // namespace

void exl3_wgmma(cudaStream_t stream, const WgmmaProblem& problem, const WgmmaTile& tile) {
  TRELLIS_CHECK(
      problem.sums == FloatType::kFloat16 || tile.rows <= kSegmentedRows, "sums of a tile of rows"
  );
  kLaunches[static_cast<size_t>(problem.bits - 1)](stream, problem, tile);
}

}  // namespace trellis::cuda
