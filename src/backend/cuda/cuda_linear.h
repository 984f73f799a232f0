// A linear layer in device memory: dense rows padded to 16 bytes, or EXL3 words in the order of
// exl3_layout.h.
#pragma once

#include "backend/cuda/kernels/dense_linear.h"
#include "backend/cuda/kernels/exl3_matrix.h"
#include "backend/linear_weight.h"
#include "backend/packed_linear.h"
#include "tensor/buffer.h"

#include <initializer_list>
#include <string>
#include <vector>

namespace trellis::cuda {

class Uploader;

/// How kernels name a type. Throws UserError for one that no dense weight can have.
FloatType float_type(DType dtype);

class CudaLinear final : public PackedLinear {
 public:
  /// Uploads and reorders in the order of the uploader's stream, without waiting. The weight may go
  /// away when it returns. Throws UserError.
  CudaLinear(const Backend& owner, const LinearWeight& weight, Uploader& uploader);

  size_t bytes() const override { return bytes_; }
  std::string format() const override { return format_; }

  bool is_exl3() const { return exl3_.layout.bits > 0; }
  /// The matrix of an EXL3 layer.
  const Exl3Matrix& exl3() const { return exl3_; }
  /// The problem of a dense layer, without x, y and rows.
  const DenseProblem& dense() const { return dense_; }

 private:
  void pack(const DenseWeight& weight, Uploader& uploader);
  void pack(const Exl3Weight& weight, Uploader& uploader);
  /// Memory for the layer's parts of these sizes: where each begins, null for an empty one.
  std::vector<char*> allocate_parts(std::initializer_list<size_t> sizes);

  Buffer memory_;
  DenseProblem dense_;
  Exl3Matrix exl3_;
  size_t bytes_ = 0;
  std::string format_;
};

/// The layer behind a PackedLinear of this backend; InternalError if another backend packed it.
const CudaLinear& cuda_linear(const PackedLinear& weight, const Backend& owner);

}  // namespace trellis::cuda
