#include "backend/cuda/heuristics.h"

#include "backend/cuda/exl3_layout.h"
#include "backend/cuda/kernels/exl3_dequantize.h"
#include "backend/cuda/kernels/exl3_gemv.h"
#include "backend/cuda/kernels/exl3_norm_quantize.h"
#include "backend/cuda/kernels/exl3_rope_store.h"
#include "backend/cuda/kernels/exl3_stage_input.h"
#include "backend/cuda/kernels/flash_attention.h"
#include "backend/cuda/kernels/flash_wgmma.h"
#include "exl3/hadamard.h"

#include <fmt/format.h>

#include <algorithm>

namespace trellis::cuda {
namespace {

constexpr int64_t padded(int64_t size) {
  return (size + 127) / 128 * 128;
}

/// Of the inputs alone.
Exl3Layout input_layout(const MatrixSizes& sizes) {
  return {sizes.bits, sizes.padded_in / kTileSize, 0};
}

DType sums_of_staged(int64_t rows) {
  return rows > kSegmentedRows ? DType::kFloat16 : DType::kFloat32;
}

}  // namespace

int64_t slice_bytes(int64_t memory_bytes) {
  // Whole matrices, where there is memory for them: slices that stay in L2 leave most of a large
  // GPU idle when rows are few (H100, 128 rows of the 8B shape: half the speed at 32 MiB).
  constexpr int64_t kLargest = int64_t{128} << 20;
  return std::min(memory_bytes / 64, kLargest);
}

Pass choose_pass(
    const DeviceLimits& limits, bool is_exact, const MatrixSizes& sizes, int64_t rows
) {
  if (is_exact) return {};
  if (rows <= kFewRows && sizes.padded_in <= kMostGemvInputs) {
    const int64_t chunks = input_layout(sizes).chunks();
    for (int64_t at_once : {rows, int64_t{8}, int64_t{4}, int64_t{1}}) {
      at_once = std::min(at_once, rows);
      const bool fits =
          exl3_gemv_fits(sizes.bits, sizes.codebook, chunks, at_once, limits.shared_bytes);
      if (fits) return {at_once, false};
    }
  }
  if (sizes.padded_in > kMostStageInputs) return {};
  const Exl3Layout layout = input_layout(sizes);
  Pass pass = {rows, true};
  pass.segments = product_segments(rows, layout.chunks(), layout.chunk_inputs(), sizes.padded_out);
  const int64_t inputs = int64_t{pass.segments.chunks} * layout.chunk_inputs();
  pass.tile = limits.has_wgmma
                  ? wgmma_tile(rows, sizes.padded_out, pass.segments.count, inputs, limits.num_sms)
                  : mma_tile(rows);
  pass.sums = sums_of_staged(rows);
  return pass;
}

int64_t most_product_room(int64_t rows, int64_t inputs, int64_t columns) {
  constexpr int64_t kMostChunkInputs = 4 * kStepInputs;
  const int64_t chunks = (inputs + kMostChunkInputs - 1) / kMostChunkInputs;
  const int64_t parts = most_product_segments(rows, chunks * kMostChunkInputs, columns);
  return product_room(parts, sums_of_staged(rows));
}

int64_t slice_columns(const DeviceLimits& limits, int64_t padded_in, int64_t padded_out) {
  const int64_t fitting = limits.slice_bytes / (2 * padded_in);
  return std::clamp(
      fitting / kDequantizeColumns * kDequantizeColumns, kDequantizeColumns, padded_out
  );
}

LinearPlan plan_linear(
    const DeviceLimits& limits, bool is_exact, const MatrixSizes& sizes, int64_t rows
) {
  LinearPlan plan;
  plan.pass = choose_pass(limits, is_exact, sizes, rows);
  if (plan.pass) {
    plan.kernel = plan.pass.is_staged ? LinearPlan::Kernel::kProduct : LinearPlan::Kernel::kGemv;
    return plan;
  }
  plan.kernel = LinearPlan::Kernel::kDenseSlices;
  plan.slice_columns = slice_columns(limits, sizes.padded_in, sizes.padded_out);
  return plan;
}

std::string LinearPlan::to_string() const {
  switch (kernel) {
    case Kernel::kGemv:
      return fmt::format("exl3_gemv, {} rows a pass", pass.rows);
    case Kernel::kProduct:
      return fmt::format(
          "{}, tiles of {} x {}, segments: {}",
          pass.tile.kernel == ProductKernel::kWgmma ? "exl3_wgmma" : "exl3_mma", pass.tile.rows,
          kGroupColumns * pass.tile.groups, pass.segments.count
      );
    case Kernel::kDenseSlices:
      return fmt::format("exl3_dequantize and dense_linear, {} columns at a time", slice_columns);
  }
  return "";
}

std::string to_string(AttentionKernel kernel) {
  switch (kernel) {
    case AttentionKernel::kSpans:
      return "attention";
    case AttentionKernel::kFlash:
      return "flash_attention";
    case AttentionKernel::kFlashWgmma:
      return "flash_wgmma";
  }
  return "";
}

AttentionKernel choose_attention(
    const DeviceLimits& limits, bool is_exact, const AttentionSizes& sizes, int64_t rows
) {
  if (is_exact || rows <= kFewRows) return AttentionKernel::kSpans;
  AttentionProblem problem;
  problem.heads = sizes.heads;
  problem.kv_heads = sizes.kv_heads;
  problem.head_dim = sizes.head_dim;
  problem.keys.bits = sizes.key_bits;
  problem.values.bits = sizes.value_bits;
  const bool may_use_wgmma = limits.has_wgmma && rows > kSegmentedRows;
  if (may_use_wgmma && flash_wgmma_fits(problem, limits.shared_bytes)) {
    return AttentionKernel::kFlashWgmma;
  }
  const bool fits = flash_attention_fits(problem, limits.shared_bytes);
  return fits ? AttentionKernel::kFlash : AttentionKernel::kSpans;
}

int row_ctas(const DeviceLimits& limits, int64_t rows) {
  // A row's squares are summed in another order then, so nowhere but where its bits differ anyway.
  return limits.has_clusters && rows <= kSegmentedRows ? kSharingCtas : 1;
}

int rope_store_numbers(int64_t rows, int heads, int kv_heads, int head_dim) {
  constexpr int64_t kManyRows = 64;
  int numbers = std::max<int>(exl3::kHadamardBlock, head_dim);
  const auto divides = [&](int all) { return all * head_dim % (2 * numbers) == 0; };
  while (rows > kManyRows && 2 * numbers <= kMostRopeStoreNumbers && divides(heads) &&
         divides(kv_heads)) {
    numbers *= 2;
  }
  return numbers;
}

std::string describe_block(
    const DeviceLimits& limits, bool is_exact, const BlockSizes& sizes, int64_t rows
) {
  const int64_t query = int64_t{sizes.heads} * sizes.head_dim;
  const int64_t kv = int64_t{sizes.kv_heads} * sizes.head_dim;
  const auto linear = [&](int64_t in, int64_t out) {
    const MatrixSizes matrices = {sizes.bits, sizes.codebook, padded(in), out};
    return plan_linear(limits, is_exact, matrices, rows).to_string();
  };
  const AttentionSizes attention = {
      sizes.heads, sizes.kv_heads, sizes.head_dim, kv_bits(sizes.cache.keys),
      kv_bits(sizes.cache.values)
  };
  return fmt::format(
      "q, k, v: {}; attention: {}; o: {}; gate, up: {}; down: {}",
      linear(sizes.hidden, padded(query) + 2 * padded(kv)),
      to_string(choose_attention(limits, is_exact, attention, rows)),
      linear(query, padded(sizes.hidden)), linear(sizes.hidden, 2 * padded(sizes.intermediate)),
      linear(sizes.intermediate, padded(sizes.hidden))
  );
}

}  // namespace trellis::cuda
