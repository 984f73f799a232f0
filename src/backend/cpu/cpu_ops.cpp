#include "backend/cpu/cpu_ops.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace trellis::cpu {
namespace {

// Below this many numbers, waking the other threads costs more than they save.
constexpr int64_t kNumbersWorthThreads = 32768;

static_assert(kSpan == kPageTokens, "attention sums page by page");

}  // namespace

void CpuOps::for_rows(
    int64_t rows, int64_t numbers_per_row, const std::function<void(int64_t)>& body
) {
  if (rows * numbers_per_row < kNumbersWorthThreads) {
    for (int64_t row = 0; row < rows; ++row) body(row);
    return;
  }
  const int64_t grain = std::max<int64_t>(1, kNumbersWorthThreads / 4 / numbers_per_row);
  pool_.for_each(rows, grain, [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) body(row);
  });
}

void CpuOps::embed(ConstTensor token_ids, ConstTensor table, Tensor out) {
  TRELLIS_CHECK_EQ(token_ids.numel(), out.rows(), "one id per row");
  TRELLIS_CHECK_EQ(table.dim(1), out.row_size(), "width of the embedding");
  const int64_t width = out.row_size();
  for_rows(out.rows(), width, [&](int64_t t) {
    const int32_t id = token_ids.as<int32_t>()[t];
    TRELLIS_CHECK(id >= 0 && id < table.dim(0), "a token id inside the vocabulary");
    switch (table.dtype()) {
      case DType::kFloat16:
        return kernels_.widen_half(table.row<uint16_t>(id), out.row<float>(t), width);
      case DType::kBFloat16:
        return kernels_.widen_bfloat16(table.row<uint16_t>(id), out.row<float>(t), width);
      default: {
        TRELLIS_CHECK(table.dtype() == DType::kFloat32, "an embedding of fp16, bf16 or fp32");
        const size_t bytes = static_cast<size_t>(width) * sizeof(float);
        std::memcpy(out.row<float>(t), table.row<float>(id), bytes);
      }
    }
  });
}

void CpuOps::rms_norm(ConstTensor x, ConstTensor weight, float epsilon, Tensor y) {
  TRELLIS_CHECK_EQ(x.row_size(), weight.numel(), "one weight per number of a row");
  for_rows(x.rows(), x.row_size(), [&](int64_t t) {
    kernels_.rms_norm(x.row<float>(t), weight.as<float>(), epsilon, y.row<float>(t), x.row_size());
  });
}

void CpuOps::add(Tensor x, ConstTensor y) {
  TRELLIS_CHECK(x.shape() == y.shape(), "equal shapes");
  for_rows(x.rows(), x.row_size(), [&](int64_t t) {
    kernels_.add(x.row<float>(t), y.row<float>(t), x.row_size());
  });
}

void CpuOps::add_rms_norm(Tensor x, ConstTensor y, ConstTensor weight, float epsilon, Tensor out) {
  TRELLIS_CHECK(x.shape() == y.shape() && x.shape() == out.shape(), "equal shapes");
  TRELLIS_CHECK_EQ(x.row_size(), weight.numel(), "one weight per number of a row");
  for_rows(x.rows(), x.row_size(), [&](int64_t t) {
    float* row = x.row<float>(t);
    kernels_.add(row, y.row<float>(t), x.row_size());
    kernels_.rms_norm(row, weight.as<float>(), epsilon, out.row<float>(t), x.row_size());
  });
}

void CpuOps::gated_activation(Activation activation, ConstTensor gate, ConstTensor up, Tensor out) {
  TRELLIS_CHECK(activation == Activation::kSilu, "a known activation");
  TRELLIS_CHECK(gate.shape() == up.shape() && gate.shape() == out.shape(), "equal shapes");
  for_rows(out.rows(), out.row_size() * 4, [&](int64_t t) {
    kernels_.silu_multiply(gate.row<float>(t), up.row<float>(t), out.row<float>(t), out.row_size());
  });
}

void CpuOps::gather_rows(ConstTensor x, ConstTensor rows, Tensor out) {
  TRELLIS_CHECK_EQ(rows.numel(), out.rows(), "one index per row");
  TRELLIS_CHECK_EQ(x.row_size(), out.row_size(), "equal widths");
  const size_t bytes = static_cast<size_t>(x.row_size()) * sizeof(float);
  for (int64_t i = 0; i < rows.numel(); ++i) {
    const int32_t row = rows.as<int32_t>()[i];
    TRELLIS_CHECK(row >= 0 && row < x.rows(), "a row of x");
    std::memcpy(out.row<float>(i), x.row<float>(row), bytes);
  }
}

struct CpuOps::Rotation {
  int64_t half = 0;
  const float* cosines = nullptr;  // [rows, half]
  const float* sines = nullptr;
};

CpuOps::Rotation CpuOps::rotation(ConstTensor positions, const RopeArgs& args) {
  const int64_t rows = positions.numel();
  const int64_t half = args.inverse_frequency.numel();
  const Tensor cosines = workspace_.tensor({rows, half}, DType::kFloat32);
  const Tensor sines = workspace_.tensor({rows, half}, DType::kFloat32);
  const auto* frequencies = args.inverse_frequency.as<float>();
  for_rows(rows, half * 64, [&](int64_t t) {
    const double position = positions.as<int32_t>()[t];
    for (int64_t i = 0; i < half; ++i) {
      const double angle = position * static_cast<double>(frequencies[i]);
      cosines.row<float>(t)[i] = static_cast<float>(std::cos(angle) * args.attention_factor);
      sines.row<float>(t)[i] = static_cast<float>(std::sin(angle) * args.attention_factor);
    }
  });
  return {half, cosines.as<float>(), sines.as<float>()};
}

void CpuOps::rope(Tensor x, ConstTensor positions, const RopeArgs& args, int head_dim) {
  TRELLIS_CHECK_EQ(positions.numel(), x.rows(), "one position per row");
  TRELLIS_CHECK(2 * args.inverse_frequency.numel() <= head_dim, "the rotated part of a head");
  const auto scope = workspace_.scope();
  const Rotation turn = rotation(positions, args);
  for_rows(x.rows(), x.row_size(), [&](int64_t t) {
    kernels_.rotate(
        x.row<float>(t), turn.cosines + t * turn.half, turn.sines + t * turn.half,
        x.row_size() / head_dim, head_dim, turn.half
    );
  });
}

void CpuOps::norm_rope_store(const NormRopeStoreArgs& args, const DeviceStep& step) {
  const auto scope = workspace_.scope();
  const int64_t rows = args.queries.rows();
  TRELLIS_CHECK_EQ(step.positions.numel(), rows, "one position per row");
  const Rotation turn = rotation(step.positions, args.rope);
  const int64_t numbers = args.queries.row_size() + 2 * args.keys.row_size();
  for_rows(rows, numbers, [&](int64_t t) {
    const auto prepare = [&](Tensor x, ConstTensor norm) {
      const int64_t heads = x.row_size() / args.head_dim;
      float* row = x.row<float>(t);
      for (int64_t head = 0; !norm.empty() && head < heads; ++head) {
        float* one = row + head * args.head_dim;
        kernels_.rms_norm(one, norm.as<float>(), args.epsilon, one, args.head_dim);
      }
      kernels_.rotate(
          row, turn.cosines + t * turn.half, turn.sines + t * turn.half, heads, args.head_dim,
          turn.half
      );
    };
    prepare(args.queries, args.query_norm);
    prepare(args.keys, args.key_norm);
    const int32_t slot = step.cache_slots.as<int32_t>()[t];
    store_row(args.keys.row<float>(t), slot, args.cache.key_side());
    store_row(args.values.row<float>(t), slot, args.cache.value_side());
  });
}

}  // namespace trellis::cpu
