#include "backend/cuda/kernels/exl3_gemv.h"

#include "backend/cuda/device/gemv_shape.h"

#include <array>

namespace trellis::cuda {

/// Instantiated in exl3_gemv_1.cu to exl3_gemv_8.cu.
template <int kBits>
void gemv_of_bits(cudaStream_t stream, const GemvProblem& problem, const GemvDevice& device);

namespace {

template <int kBits, exl3::Codebook kCodebook>
bool fits(int64_t chunks, int64_t rows, int64_t limit) {
  if (rows == 1) return GemvShape<kBits, kCodebook, 1>::memory(chunks, limit).slots > 0;
  if (rows <= 4) return GemvShape<kBits, kCodebook, 4>::memory(chunks, limit).slots > 0;
  return GemvShape<kBits, kCodebook, 8>::memory(chunks, limit).slots > 0;
}

template <int kBits>
bool fits(exl3::Codebook codebook, int64_t chunks, int64_t rows, int64_t limit) {
  // 3inst and mcg have the same sizes.
  return codebook == exl3::Codebook::kMul1 ? fits<kBits, exl3::Codebook::kMul1>(chunks, rows, limit)
                                           : fits<kBits, exl3::Codebook::kMcg>(chunks, rows, limit);
}

using Fits = bool (*)(exl3::Codebook codebook, int64_t chunks, int64_t rows, int64_t limit);
constexpr std::array<Fits, 8> kFits = {fits<1>, fits<2>, fits<3>, fits<4>,
                                       fits<5>, fits<6>, fits<7>, fits<8>};

using Launch = void (*)(cudaStream_t stream, const GemvProblem& problem, const GemvDevice& device);
constexpr std::array<Launch, 8> kLaunches = {gemv_of_bits<1>, gemv_of_bits<2>, gemv_of_bits<3>,
                                             gemv_of_bits<4>, gemv_of_bits<5>, gemv_of_bits<6>,
                                             gemv_of_bits<7>, gemv_of_bits<8>};

}  // namespace

bool exl3_gemv_fits(
    int bits, exl3::Codebook codebook, int64_t chunks, int64_t rows, int64_t shared_limit
) {
  if (rows < 1 || rows > kMostGemvRows) return false;
  return kFits[static_cast<size_t>(bits - 1)](codebook, chunks, rows, shared_limit);
}

void exl3_gemv(cudaStream_t stream, const GemvProblem& problem, const GemvDevice& device) {
  kLaunches[static_cast<size_t>(problem.bits - 1)](stream, problem, device);
}

}  // namespace trellis::cuda
