#include "backend/cuda/kernels/exl3_product.h"

#include "base/error.h"

#include <array>

namespace trellis::cuda {

/// Instantiated in exl3_product_1.cu to exl3_product_8.cu.
template <int kBits>
void product_of_bits(cudaStream_t stream, const StagedProduct& problem, const ProductTile& tile);

namespace {

using Launch = void (*)(cudaStream_t stream, const StagedProduct& problem, const ProductTile& tile);
constexpr std::array<Launch, 8> kLaunches = {product_of_bits<1>, product_of_bits<2>,
                                             product_of_bits<3>, product_of_bits<4>,
                                             product_of_bits<5>, product_of_bits<6>,
                                             product_of_bits<7>, product_of_bits<8>};

}  // namespace

void exl3_product(cudaStream_t stream, const StagedProduct& problem, const ProductTile& tile) {
  TRELLIS_CHECK(
      problem.sums == FloatType::kFloat16 || tile.rows <= kSegmentedRows, "sums of a tile of rows"
  );
  kLaunches[static_cast<size_t>(problem.bits - 1)](stream, problem, tile);
}

}  // namespace trellis::cuda
