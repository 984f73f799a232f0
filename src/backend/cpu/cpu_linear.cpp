#include "backend/cpu/cpu_linear.h"

#include "base/half.h"

#include <algorithm>
#include <cstring>

namespace trellis::cpu {
namespace {

DenseType dense_type(DType dtype) {
  require_dense_type(dtype);
  if (dtype == DType::kFloat32) return DenseType::kFloat32;
  return dtype == DType::kFloat16 ? DenseType::kFloat16 : DenseType::kBFloat16;
}

/// The bias padded with zeros to whole blocks.
std::vector<float> block_bias(ConstTensor bias, int64_t count) {
  std::vector<float> numbers = widen_bias(bias, count);
  if (!numbers.empty()) {
    numbers.resize(static_cast<size_t>((count + kBlock - 1) / kBlock * kBlock), 0.0f);
  }
  return numbers;
}

std::vector<float> widen(const std::vector<uint16_t>& halves) {
  std::vector<float> numbers(halves.size());
  std::transform(halves.begin(), halves.end(), numbers.begin(), [](uint16_t half) {
    return half_to_float(half);
  });
  return numbers;
}

/// One block of 128 x 128 weights. out: [8 column pairs][2 halves][bits words][32 lanes]: the lane
/// of tile j along the outputs and i along the inputs is 4 * j + i, and the even lanes come first.
void pack_block(
    const char* trellis, int64_t out_tiles, int64_t in_block, int64_t out_block, int bits,
    uint32_t* out
) {
  const int words = 8 * bits;
  for (int in_tile = 0; in_tile < 8; ++in_tile) {
    for (int out_tile = 0; out_tile < 8; ++out_tile) {
      const int64_t tile = (in_block * 8 + in_tile) * out_tiles + out_block * 8 + out_tile;
      uint32_t stored[64];
      const size_t tile_bytes = static_cast<size_t>(words) * sizeof(uint32_t);
      std::memcpy(stored, trellis + static_cast<size_t>(tile) * tile_bytes, tile_bytes);
      const int half = in_tile / 4;
      const int lane = 4 * out_tile + in_tile % 4;
      for (int w = 0; w < words; ++w) {
        const int column = w / bits;
        const int word = w % bits;
        out[((2 * column + half) * bits + word) * 32 + lane % 2 * 16 + lane / 2] = stored[w];
      }
    }
  }
}

}  // namespace

CpuLinear::CpuLinear(const Backend& owner, const LinearWeight& weight, ThreadPool& pool)
    : PackedLinear(owner, input_size(weight), output_size(weight)) {
  std::visit([&](const auto& kind) { pack(kind, pool); }, weight);
}

void CpuLinear::pack(const DenseWeight& weight, ThreadPool& pool) {
  const DType dtype = weight.weight.dtype();
  dense_.type = dense_type(dtype);
  dense_.out_features = out_features();
  dense_.stride = (in_features() + kDenseAlign - 1) / kDenseAlign * kDenseAlign;
  const size_t row_bytes = static_cast<size_t>(dense_.stride) * dtype_bytes(dtype);
  weights_ = allocate_host(row_bytes * static_cast<size_t>(out_features()));
  auto* rows = static_cast<char*>(weights_.data());
  const auto* source = static_cast<const char*>(weight.weight.data());
  const size_t source_stride = static_cast<size_t>(weight.weight.row_stride()) * dtype_bytes(dtype);
  const size_t source_bytes = static_cast<size_t>(in_features()) * dtype_bytes(dtype);
  pool.for_each(out_features(), 64, [&](int64_t begin, int64_t end, int) {
    for (auto row = static_cast<size_t>(begin); row < static_cast<size_t>(end); ++row) {
      std::memcpy(rows + row * row_bytes, source + row * source_stride, source_bytes);
    }
  });
  bias_ = block_bias(weight.bias, out_features());
  dense_.weights = weights_.data();
  dense_.bias = bias_.empty() ? nullptr : bias_.data();
  bytes_ = weights_.bytes() + bias_.size() * sizeof(float);
  format_ = dtype == DType::kFloat32 ? "fp32" : (dtype == DType::kFloat16 ? "fp16" : "bf16");
}

void CpuLinear::pack(const Exl3Weight& weight, ThreadPool& pool) {
  TRELLIS_CHECK(weight.bits >= 1 && weight.bits <= 8, "1 to 8 bits per weight");
  if (weight.in_features > weight.padded_in() || weight.out_features > weight.padded_out()) {
    throw UserError(
        "an EXL3 layer of {} inputs and {} outputs cannot hold {} and {}", weight.padded_in(),
        weight.padded_out(), weight.in_features, weight.out_features
    );
  }
  TRELLIS_CHECK_EQ(weight.padded_in() % kBlock, 0, "inputs padded to 128");
  TRELLIS_CHECK_EQ(weight.padded_out() % kBlock, 0, "outputs padded to 128");
  TRELLIS_CHECK_EQ(weight.trellis.dim(2), 16 * weight.bits, "words per tile");
  suh_ = widen(weight.suh);
  svh_ = widen(weight.svh);
  TRELLIS_CHECK_EQ(static_cast<int64_t>(suh_.size()), weight.padded_in(), "input scales");
  TRELLIS_CHECK_EQ(static_cast<int64_t>(svh_.size()), weight.padded_out(), "output scales");
  bias_ = block_bias(weight.bias, out_features());

  exl3_.bits = weight.bits;
  exl3_.codebook = static_cast<int>(weight.codebook);
  exl3_.in_blocks = weight.padded_in() / kBlock;
  exl3_.out_blocks = weight.padded_out() / kBlock;
  exl3_.in_features = in_features();
  exl3_.out_features = out_features();
  const int64_t block_words = int64_t{512} * weight.bits;
  const int64_t num_blocks = exl3_.in_blocks * exl3_.out_blocks;
  weights_ = allocate_host(static_cast<size_t>(num_blocks * block_words) * sizeof(uint32_t));
  auto* words = static_cast<uint32_t*>(weights_.data());
  const auto* trellis = static_cast<const char*>(weight.trellis.data());
  pool.for_each(num_blocks, 16, [&](int64_t begin, int64_t end, int) {
    for (int64_t b = begin; b < end; ++b) {
      pack_block(
          trellis, weight.trellis.dim(1), b % exl3_.in_blocks, b / exl3_.in_blocks, weight.bits,
          words + b * block_words
      );
    }
  });
  exl3_.words = words;
  exl3_.suh = suh_.data();
  exl3_.svh = svh_.data();
  exl3_.bias = bias_.empty() ? nullptr : bias_.data();
  bytes_ = weights_.bytes() + (suh_.size() + svh_.size() + bias_.size()) * sizeof(float);
  format_ = fmt::format("exl3 {}-bit {}", weight.bits, exl3::codebook_name(weight.codebook));
}

}  // namespace trellis::cpu
