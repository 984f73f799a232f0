#include "backend/cuda/cuda_linear.h"

#include "backend/cuda/cuda_check.h"
#include "backend/cuda/device_memory.h"
#include "backend/cuda/kernels/exl3_repack.h"

#include <algorithm>

namespace trellis::cuda {
FloatType float_type(DType dtype) {
  require_dense_type(dtype);
  if (dtype == DType::kFloat32) return FloatType::kFloat32;
  return dtype == DType::kFloat16 ? FloatType::kFloat16 : FloatType::kBFloat16;
}

CudaLinear::CudaLinear(const Backend& owner, const LinearWeight& weight, cudaStream_t stream)
    : PackedLinear(owner, input_size(weight), output_size(weight)), stream_(stream) {
  std::visit([&](const auto& kind) { pack(kind); }, weight);
  TRELLIS_CUDA_CHECK(cudaStreamSynchronize(stream_));  // the source may go away
}

/// Copies bytes into memory of this layer, of which there may be more: zeros.
void* CudaLinear::keep(const void* source, size_t bytes, size_t allocated) {
  const size_t size = std::max(bytes, allocated);
  memory_.push_back(allocate_device(size));
  auto* data = static_cast<char*>(memory_.back().data());
  bytes_ += size;
  if (size > bytes) {
    TRELLIS_CUDA_CHECK(cudaMemsetAsync(data + bytes, 0, size - bytes, stream_));
  }
  if (bytes > 0) {
    TRELLIS_CUDA_CHECK(cudaMemcpyAsync(data, source, bytes, cudaMemcpyHostToDevice, stream_));
  }
  return data;
}

const float* CudaLinear::keep_bias(ConstTensor bias) {
  const std::vector<float> numbers = widen_bias(bias, out_features());
  if (numbers.empty()) return nullptr;
  const void* kept = keep(numbers.data(), numbers.size() * sizeof(float));
  TRELLIS_CUDA_CHECK(cudaStreamSynchronize(stream_));
  return static_cast<const float*>(kept);
}

void CudaLinear::pack(const DenseWeight& weight) {
  const DType dtype = weight.weight.dtype();
  const auto size = static_cast<int64_t>(dtype_bytes(dtype));
  dense_.type = float_type(dtype);
  dense_.in = in_features();
  dense_.out = out_features();
  dense_.stride = (in_features() + kDenseAlign - 1) / kDenseAlign * kDenseAlign;
  const auto row_bytes = static_cast<size_t>(dense_.stride * size);
  const auto source_bytes = static_cast<size_t>(in_features() * size);
  char* rows =
      static_cast<char*>(keep(nullptr, 0, row_bytes * static_cast<size_t>(out_features())));
  TRELLIS_CUDA_CHECK(cudaMemcpy2DAsync(
      rows, row_bytes, weight.weight.data(), static_cast<size_t>(weight.weight.row_stride() * size),
      source_bytes, static_cast<size_t>(out_features()), cudaMemcpyHostToDevice, stream_
  ));
  dense_.weight = rows;
  dense_.bias = keep_bias(weight.bias);
  format_ = dtype == DType::kFloat32 ? "fp32" : (dtype == DType::kFloat16 ? "fp16" : "bf16");
}

void CudaLinear::pack(const Exl3Weight& weight) {
  TRELLIS_CHECK(weight.bits >= 1 && weight.bits <= 8, "1 to 8 bits per weight");
  if (weight.in_features > weight.padded_in() || weight.out_features > weight.padded_out()) {
    throw UserError(
        "an EXL3 layer of {} inputs and {} outputs cannot hold {} and {}", weight.padded_in(),
        weight.padded_out(), weight.in_features, weight.out_features
    );
  }
  TRELLIS_CHECK_EQ(weight.padded_in() % 128, 0, "inputs padded to 128");
  TRELLIS_CHECK_EQ(weight.padded_out() % 128, 0, "outputs padded to 128");
  TRELLIS_CHECK_EQ(weight.trellis.dim(2), 16 * weight.bits, "words per tile");
  TRELLIS_CHECK_EQ(static_cast<int64_t>(weight.suh.size()), weight.padded_in(), "input scales");
  TRELLIS_CHECK_EQ(static_cast<int64_t>(weight.svh.size()), weight.padded_out(), "output scales");

  exl3_.layout = {weight.bits, weight.trellis.dim(0), weight.trellis.dim(1)};
  exl3_.codebook = weight.codebook;
  exl3_.in_features = in_features();
  exl3_.out_features = out_features();
  const Buffer staging = allocate_device(weight.trellis.bytes());
  TRELLIS_CUDA_CHECK(cudaMemcpyAsync(
      staging.data(), weight.trellis.data(), weight.trellis.bytes(), cudaMemcpyHostToDevice, stream_
  ));
  const auto word_bytes = static_cast<size_t>(exl3_.layout.words()) * sizeof(uint32_t);
  auto* words = static_cast<uint32_t*>(keep(nullptr, 0, word_bytes));
  exl3_repack(stream_, static_cast<const uint32_t*>(staging.data()), exl3_.layout, words);
  exl3_.words = words;
  const auto keep_scales = [this](const std::vector<uint16_t>& scales) {
    return static_cast<const uint16_t*>(keep(scales.data(), scales.size() * sizeof(uint16_t)));
  };
  exl3_.suh = keep_scales(weight.suh);
  exl3_.svh = keep_scales(weight.svh);
  exl3_.bias = keep_bias(weight.bias);
  TRELLIS_CUDA_CHECK(cudaStreamSynchronize(stream_));  // the staging memory goes away
  format_ = fmt::format("exl3 {}-bit {}", weight.bits, exl3::codebook_name(weight.codebook));
}

const CudaLinear& cuda_linear(const PackedLinear& weight, const Backend& owner) {
  TRELLIS_CHECK(&weight.owner() == &owner, "a weight packed by this backend");
  return static_cast<const CudaLinear&>(weight);
}

}  // namespace trellis::cuda
