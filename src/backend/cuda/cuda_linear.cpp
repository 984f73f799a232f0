#include "backend/cuda/cuda_linear.h"

#include "backend/cuda/cuda_check.h"
#include "backend/cuda/device_memory.h"
#include "backend/cuda/kernels/exl3_repack.h"
#include "backend/cuda/uploader.h"

namespace trellis::cuda {
FloatType float_type(DType dtype) {
  require_dense_type(dtype);
  if (dtype == DType::kFloat32) return FloatType::kFloat32;
  return dtype == DType::kFloat16 ? FloatType::kFloat16 : FloatType::kBFloat16;
}

CudaLinear::CudaLinear(const Backend& owner, const LinearWeight& weight, Uploader& uploader)
    : PackedLinear(owner, input_size(weight), output_size(weight)) {
  std::visit([&](const auto& kind) { pack(kind, uploader); }, weight);
}

std::vector<char*> CudaLinear::allocate_parts(std::initializer_list<size_t> sizes) {
  constexpr size_t kAlignment = 256;
  const auto aligned = [](size_t size) {
    return (size + kAlignment - 1) / kAlignment * kAlignment;
  };
  size_t allocated = 0;
  for (const size_t size : sizes) {
    bytes_ += size;
    allocated += aligned(size);
  }
  memory_ = allocate_device(allocated);
  auto* next = static_cast<char*>(memory_.data());
  std::vector<char*> parts;
  for (const size_t size : sizes) {
    parts.push_back(size > 0 ? next : nullptr);
    next += aligned(size);
  }
  return parts;
}

void CudaLinear::pack(const DenseWeight& weight, Uploader& uploader) {
  const DType dtype = weight.weight.dtype();
  const auto size = static_cast<int64_t>(dtype_bytes(dtype));
  dense_.type = float_type(dtype);
  dense_.in = in_features();
  dense_.out = out_features();
  dense_.stride = (in_features() + kDenseAlign - 1) / kDenseAlign * kDenseAlign;
  HostRows rows;
  rows.data = weight.weight.data();
  rows.rows = static_cast<size_t>(out_features());
  rows.row_bytes = static_cast<size_t>(in_features() * size);
  rows.stride = static_cast<size_t>(weight.weight.row_stride() * size);
  rows.padded = static_cast<size_t>(dense_.stride * size);
  const std::vector<float> bias = widen_bias(weight.bias, out_features());

  const auto parts = allocate_parts({rows.bytes(), bias.size() * sizeof(float)});
  uploader.upload(parts[0], rows);
  uploader.upload(parts[1], bias.data(), bias.size() * sizeof(float));
  dense_.weight = parts[0];
  dense_.bias = reinterpret_cast<const float*>(parts[1]);
  format_ = dtype == DType::kFloat32 ? "fp32" : (dtype == DType::kFloat16 ? "fp16" : "bf16");
}

void CudaLinear::pack(const Exl3Weight& weight, Uploader& uploader) {
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
  const std::vector<float> bias = widen_bias(weight.bias, out_features());
  const auto word_bytes = static_cast<size_t>(exl3_.layout.words()) * sizeof(uint32_t);
  const size_t suh_bytes = weight.suh.size() * sizeof(uint16_t);
  const size_t svh_bytes = weight.svh.size() * sizeof(uint16_t);
  const size_t bias_bytes = bias.size() * sizeof(float);

  const auto parts = allocate_parts({word_bytes, suh_bytes, svh_bytes, bias_bytes});
  const cudaStream_t stream = uploader.stream();
  auto* words = reinterpret_cast<uint32_t*>(parts[0]);
  TRELLIS_CUDA_CHECK(cudaMemsetAsync(words, 0, word_bytes, stream));  // a last chunk's end
  const auto repack = [&](const void* piece, size_t offset, size_t bytes) {
    exl3_repack(
        stream, static_cast<const uint32_t*>(piece),
        static_cast<int64_t>(offset / sizeof(uint32_t)),
        static_cast<int64_t>(bytes / sizeof(uint32_t)), exl3_.layout, words
    );
  };
  uploader.pass(weight.trellis.data(), weight.trellis.bytes(), repack);
  uploader.upload(parts[1], weight.suh.data(), suh_bytes);
  uploader.upload(parts[2], weight.svh.data(), svh_bytes);
  uploader.upload(parts[3], bias.data(), bias_bytes);
  exl3_.words = words;
  exl3_.suh = reinterpret_cast<const uint16_t*>(parts[1]);
  exl3_.svh = reinterpret_cast<const uint16_t*>(parts[2]);
  exl3_.bias = reinterpret_cast<const float*>(parts[3]);
  format_ = fmt::format("exl3 {}-bit {}", weight.bits, exl3::codebook_name(weight.codebook));
}

const CudaLinear& cuda_linear(const PackedLinear& weight, const Backend& owner) {
  TRELLIS_CHECK(&weight.owner() == &owner, "a weight packed by this backend");
  return static_cast<const CudaLinear&>(weight);
}

}  // namespace trellis::cuda
