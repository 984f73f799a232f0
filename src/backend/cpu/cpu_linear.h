// Linear layers in the CPU backend's layouts. Dense rows keep their type and are padded with zeros
// to whole vectors. EXL3 tiles are regrouped into blocks of 128 x 128 weights in which 32 lanes
// hold the same 32-bit stream word of 32 tiles (8 along the outputs times 4 along the inputs):
// still K bits per weight, streamed once, in order.
#pragma once

#include "backend/cpu/kernels.h"
#include "backend/linear_weight.h"
#include "backend/packed_linear.h"
#include "base/thread_pool.h"
#include "tensor/buffer.h"

#include <string>
#include <vector>

namespace trellis::cpu {

class CpuLinear final : public PackedLinear {
 public:
  /// Copies and rearranges on all of the pool's threads. Throws UserError for a type it cannot
  /// compute.
  CpuLinear(const Backend& owner, const LinearWeight& weight, ThreadPool& pool);

  size_t bytes() const override { return bytes_; }
  std::string format() const override { return format_; }

  bool is_exl3() const { return exl3_.bits != 0; }
  const Exl3Matrix& exl3() const { return exl3_; }
  const DenseMatrix& dense() const { return dense_; }

 private:
  void pack(const DenseWeight& weight, ThreadPool& pool);
  void pack(const Exl3Weight& weight, ThreadPool& pool);

  Buffer weights_;
  std::vector<float> suh_;
  std::vector<float> svh_;
  std::vector<float> bias_;
  Exl3Matrix exl3_;
  DenseMatrix dense_;
  size_t bytes_ = 0;
  std::string format_;
};

}  // namespace trellis::cpu
