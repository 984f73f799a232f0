// A linear layer in device memory: dense rows padded to 16 bytes, or EXL3 words in the order of
// exl3_layout.h.
#pragma once

#include "backend/cuda/kernels/dense_linear.h"
#include "backend/cuda/kernels/exl3_matrix.h"
#include "backend/linear_weight.h"
#include "backend/packed_linear.h"
#include "tensor/buffer.h"

#include <cuda_runtime.h>

#include <string>
#include <vector>

namespace trellis::cuda {

/// How kernels name a type. Throws UserError for one that no dense weight can have.
FloatType float_type(DType dtype);

class CudaLinear final : public PackedLinear {
 public:
  /// Uploads and reorders on the stream; done when it returns. Throws UserError.
  CudaLinear(const Backend& owner, const LinearWeight& weight, cudaStream_t stream);

  size_t bytes() const override { return bytes_; }
  std::string format() const override { return format_; }

  bool is_exl3() const { return exl3_.layout.bits > 0; }
  /// The matrix of an EXL3 layer.
  const Exl3Matrix& exl3() const { return exl3_; }
  /// The problem of a dense layer, without x, y and rows.
  const DenseProblem& dense() const { return dense_; }

 private:
  void pack(const DenseWeight& weight);
  void pack(const Exl3Weight& weight);
  void* keep(const void* source, size_t bytes, size_t allocated = 0);
  const float* keep_bias(ConstTensor bias);

  cudaStream_t stream_;
  std::vector<Buffer> memory_;
  DenseProblem dense_;
  Exl3Matrix exl3_;
  size_t bytes_ = 0;
  std::string format_;
};

/// The layer behind a PackedLinear of this backend; InternalError if another backend packed it.
const CudaLinear& cuda_linear(const PackedLinear& weight, const Backend& owner);

}  // namespace trellis::cuda
