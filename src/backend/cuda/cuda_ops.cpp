#include "backend/cuda/cuda_ops.h"

#include "backend/cuda/cuda_linear.h"
#include "backend/cuda/kernel_views.h"
#include "backend/cuda/kernels/attention.h"
#include "backend/cuda/kernels/flash_attention.h"
#include "backend/cuda/kernels/flash_wgmma.h"
#include "backend/cuda/kernels/kv_store.h"
#include "backend/cuda/kernels/norm.h"
#include "backend/cuda/kernels/rope.h"
#include "backend/cuda/kernels/rows.h"
#include "backend/cuda/kernels/sample.h"

namespace trellis::cuda {

void CudaOps::embed(ConstTensor token_ids, ConstTensor table, Tensor out) {
  TRELLIS_CHECK_EQ(token_ids.numel(), out.rows(), "one id per row");
  TRELLIS_CHECK_EQ(table.dim(1), out.row_size(), "width of the embedding");
  cuda::embed(
      stream_, token_ids.as<int32_t>(), table.data(), float_type(table.dtype()), floats(out),
      out.rows(), out.row_size()
  );
}

void CudaOps::rms_norm(ConstTensor x, ConstTensor weight, float epsilon, Tensor y) {
  TRELLIS_CHECK_EQ(x.row_size(), weight.numel(), "one weight per number of a row");
  cuda::rms_norm(
      stream_, floats(x), weight.as<float>(), epsilon, floats(y), x.rows(), x.row_size()
  );
}

void CudaOps::add_rms_norm(Tensor x, ConstTensor y, ConstTensor weight, float epsilon, Tensor out) {
  TRELLIS_CHECK(x.shape() == y.shape() && x.shape() == out.shape(), "equal shapes");
  TRELLIS_CHECK_EQ(x.row_size(), weight.numel(), "one weight per number of a row");
  cuda::add_rms_norm(
      stream_, floats(x), floats(y), weight.as<float>(), epsilon, floats(out), x.rows(),
      x.row_size()
  );
}

void CudaOps::add(Tensor x, ConstTensor y) {
  TRELLIS_CHECK(x.shape() == y.shape(), "equal shapes");
  cuda::add(stream_, floats(x), floats(y), x.numel());
}

void CudaOps::gated_activation(
    Activation activation, ConstTensor gate, ConstTensor up, Tensor out
) {
  TRELLIS_CHECK(activation == Activation::kSilu, "a known activation");
  TRELLIS_CHECK(gate.shape() == up.shape() && gate.shape() == out.shape(), "equal shapes");
  silu_multiply(stream_, floats(gate), floats(up), floats(out), out.numel());
}

void CudaOps::gather_rows(ConstTensor x, ConstTensor rows, Tensor out) {
  TRELLIS_CHECK_EQ(rows.numel(), out.rows(), "one index per row");
  TRELLIS_CHECK_EQ(x.row_size(), out.row_size(), "equal widths");
  cuda::gather_rows(
      stream_, floats(x), rows.as<int32_t>(), floats(out), out.rows(), out.row_size()
  );
}

void CudaOps::choose_tokens(const ChooseTokensArgs& args) {
  TRELLIS_CHECK_EQ(args.chosen.numel(), args.logits.rows(), "a token per row");
  TRELLIS_CHECK_EQ(
      args.choices.bytes(), static_cast<size_t>(args.logits.rows()) * sizeof(TokenChoice),
      "a choice per row"
  );
  SampleProblem problem;
  problem.logits = floats(args.logits);
  problem.choices = static_cast<const TokenChoice*>(args.choices.data());
  if (!args.edits.empty()) {
    problem.edits = static_cast<const TokenEdit*>(args.edits.data());
    problem.num_edits = static_cast<int>(args.edits.rows());
  }
  problem.chosen = args.chosen.as<int32_t>();
  problem.rows = static_cast<int>(args.logits.rows());
  problem.columns = static_cast<int>(args.logits.row_size());
  problem.any_draws = args.any_draws;
  problem.any_cuts = args.any_cuts;

  const auto scope = workspace_.scope();
  const auto keys = [&](int64_t count) {
    return static_cast<SampleScratch::Key*>(
        workspace_.tensor({problem.rows, count}, DType::kUint64).data()
    );
  };
  SampleScratch scratch;
  scratch.partial = keys(sample_splits(problem.columns));
  scratch.best = keys(1);
  if (args.any_cuts) {
    scratch.cut = keys(1);
    scratch.weights = keys(SampleScratch::kBins);
    const Shape bins = {problem.rows, SampleScratch::kBins};
    scratch.counts = workspace_.tensor(bins, DType::kUint32).as<uint32_t>();
  }
  sample(stream_, problem, scratch);
}

void CudaOps::take_chosen(ConstTensor chosen, ConstTensor rows, Tensor token_ids) {
  TRELLIS_CHECK_EQ(rows.numel(), token_ids.numel(), "a row for each token");
  cuda::take_chosen(
      stream_, chosen.as<int32_t>(), rows.as<int32_t>(), token_ids.as<int32_t>(), token_ids.numel()
  );
}

void CudaOps::rope(Tensor x, ConstTensor positions, const RopeArgs& args, int head_dim) {
  TRELLIS_CHECK_EQ(positions.numel(), x.rows(), "one position per row");
  const int64_t half = args.inverse_frequency.numel();
  TRELLIS_CHECK(2 * half <= head_dim, "the rotated part of a head");
  cuda::rope(
      stream_, floats(x), positions.as<int32_t>(), args.inverse_frequency.as<float>(),
      args.attention_factor, x.rows(), static_cast<int>(x.row_size() / head_dim), head_dim,
      static_cast<int>(half)
  );
}

void CudaOps::kv_store(
    ConstTensor keys, ConstTensor values, ConstTensor slots, const KvLayer& cache
) {
  TRELLIS_CHECK_EQ(slots.numel(), keys.rows(), "one slot per row");
  const auto store = [&](ConstTensor source, const KvSide& side) {
    cuda::kv_store(
        stream_, floats(source), slots.as<int32_t>(), kv_rows(side), source.rows(),
        static_cast<int>(side.num_kv_heads()), static_cast<int>(side.head_dim())
    );
  };
  store(keys, cache.key_side());
  store(values, cache.value_side());
}

AttentionProblem CudaOps::attention_problem(const AttentionArgs& args, const DeviceStep& step)
    const {
  TRELLIS_CHECK(args.head_dim <= kMostHeadDim, "heads of at most 256 numbers");
  AttentionProblem problem;
  problem.queries = floats(args.queries);
  problem.keys = kv_rows(args.cache.key_side());
  problem.values = kv_rows(args.cache.value_side());
  problem.output = floats(args.output);
  problem.positions = step.positions.as<int32_t>();
  problem.row_begin = step.row_begin.as<int32_t>();
  problem.page_table = step.page_table.as<int32_t>();
  problem.rows = args.queries.rows();
  problem.num_sequences = static_cast<int>(step.kv_length.numel());
  problem.max_pages = static_cast<int>(step.page_table.dim(1));
  problem.heads = args.num_heads;
  problem.kv_heads = args.num_kv_heads;
  problem.head_dim = args.head_dim;
  problem.window = args.window;
  problem.max_kv_length = step.max_kv_length;
  problem.scale = args.scale;
  problem.is_exact = is_exact();
  return problem;
}

void* CudaOps::attention_scratch(const AttentionProblem& problem) {
  const auto bytes = static_cast<int64_t>(attention_scratch_bytes(problem));
  return workspace_.tensor({(bytes + 63) / 64, 64}, DType::kUint8).data();
}

void CudaOps::attention(const AttentionArgs& args, const DeviceStep& step) {
  const AttentionProblem problem = attention_problem(args, step);
  const AttentionSizes sizes = {
      problem.heads, problem.kv_heads, problem.head_dim, problem.keys.bits, problem.values.bits
  };
  switch (choose_attention(limits_, is_exact(), sizes, problem.rows)) {
    case AttentionKernel::kFlashWgmma:
      return flash_wgmma(stream_, problem);
    case AttentionKernel::kFlash:
      return flash_attention(stream_, problem);
    case AttentionKernel::kSpans: {
      const auto scope = workspace_.scope();
      cuda::attention(stream_, problem, attention_scratch(problem));
    }
  }
}

}  // namespace trellis::cuda
