#include "backend/cuda/kernels/exl3_gemv.h"

#include "backend/cuda/device/gemv_shape.h"

#include <array>

namespace trellis::cuda {

/// Instantiated in exl3_gemv_1.cu to exl3_gemv_8.cu.
template <int kBits>
void gemv_of_bits(cudaStream_t stream, const GemvProblem& problem, int num_sms);

namespace {

template <class Shape>
int64_t shared_bytes_of(int64_t chunks) {
  return Shape::dynamic_bytes(chunks) + Shape::kStaticBytes;
}

template <int kBits, exl3::Codebook kCodebook>
int64_t shared_bytes(int64_t chunks, int64_t rows) {
  if (rows == 1) return shared_bytes_of<GemvShape<kBits, kCodebook, 1>>(chunks);
  if (rows <= 4) return shared_bytes_of<GemvShape<kBits, kCodebook, 4>>(chunks);
  return shared_bytes_of<GemvShape<kBits, kCodebook, 8>>(chunks);
}

template <int kBits>
int64_t shared_bytes(exl3::Codebook codebook, int64_t chunks, int64_t rows) {
  // 3inst and mcg have the same sizes.
  return codebook == exl3::Codebook::kMul1
             ? shared_bytes<kBits, exl3::Codebook::kMul1>(chunks, rows)
             : shared_bytes<kBits, exl3::Codebook::kMcg>(chunks, rows);
}

using SharedBytes = int64_t (*)(exl3::Codebook codebook, int64_t chunks, int64_t rows);
constexpr std::array<SharedBytes, 8> kSharedBytes = {shared_bytes<1>, shared_bytes<2>,
                                                     shared_bytes<3>, shared_bytes<4>,
                                                     shared_bytes<5>, shared_bytes<6>,
                                                     shared_bytes<7>, shared_bytes<8>};

using Launch = void (*)(cudaStream_t stream, const GemvProblem& problem, int num_sms);
constexpr std::array<Launch, 8> kLaunches = {gemv_of_bits<1>, gemv_of_bits<2>, gemv_of_bits<3>,
                                             gemv_of_bits<4>, gemv_of_bits<5>, gemv_of_bits<6>,
                                             gemv_of_bits<7>, gemv_of_bits<8>};

}  // namespace

bool exl3_gemv_fits(
    int bits, exl3::Codebook codebook, int64_t chunks, int64_t rows, int64_t shared_limit
) {
  if (rows < 1 || rows > kMostGemvRows) return false;
  return kSharedBytes[static_cast<size_t>(bits - 1)](codebook, chunks, rows) <= shared_limit;
}

void exl3_gemv(cudaStream_t stream, const GemvProblem& problem, int num_sms) {
  kLaunches[static_cast<size_t>(problem.bits - 1)](stream, problem, num_sms);
}

}  // namespace trellis::cuda
