// Attention's split over threads: a task is one kv head and a few consecutive rows of one sequence.
#include "backend/cpu/cpu_ops.h"
#include "exl3/kv_quant.h"

#include <algorithm>

namespace trellis::cpu {
namespace {

static_assert(kKvGroup == exl3::kKvGroup, "the kernels cut heads like the format");

KvRows rows_of(const KvSide& side, int64_t kv_head) {
  const int64_t first = side.row(0, kv_head);
  const int64_t offset = first * side.numbers.row_stride();
  KvRows rows;
  rows.bits = kv_bits(side.type());
  rows.numbers = static_cast<const char*>(side.numbers.data()) +
                 offset * static_cast<int64_t>(dtype_bytes(side.numbers.dtype()));
  if (is_quantized(side.type())) rows.scales = side.scales.row<uint16_t>(first);
  rows.page_rows = side.num_kv_heads() * kPageTokens;
  return rows;
}

}  // namespace

void CpuOps::attention(const AttentionArgs& args, const DeviceStep& step) {
  const KvSide keys = args.cache.key_side();
  const KvSide values = args.cache.value_side();
  TRELLIS_CHECK_EQ(keys.num_kv_heads(), args.num_kv_heads, "kv heads of the cache");
  TRELLIS_CHECK_EQ(keys.head_dim(), args.head_dim, "head size of the cache");
  const int group = args.num_heads / args.num_kv_heads;
  const auto* row_begin = step.row_begin.as<int32_t>();
  const auto* positions = step.positions.as<int32_t>();
  const int64_t num_sequences = step.kv_length.numel();

  // The blocks of sequence s are those in [first_block[s], first_block[s + 1]).
  const auto scope = workspace_.scope();
  const Tensor first_block = workspace_.tensor({num_sequences + 1}, DType::kInt32);
  auto* first = first_block.as<int32_t>();
  first[0] = 0;
  for (int64_t s = 0; s < num_sequences; ++s) {
    const int32_t rows = row_begin[s + 1] - row_begin[s];
    first[s + 1] = first[s] + (rows + kAttentionRowBlock - 1) / kAttentionRowBlock;
  }
  const int64_t num_tasks = int64_t{first[num_sequences]} * args.num_kv_heads;
  const int64_t scratch_floats =
      attention_scratch_floats(int64_t{kAttentionRowBlock} * group, args.head_dim);
  const Tensor scratch = workspace_.tensor({pool_.num_threads(), scratch_floats}, DType::kFloat32);

  const auto run = [&](int64_t index, int worker) {
    const int64_t kv_head = index % args.num_kv_heads;
    const auto block = static_cast<int32_t>(index / args.num_kv_heads);
    const int64_t s = std::upper_bound(first, first + num_sequences + 1, block) - first - 1;
    const int64_t row = row_begin[s] + int64_t{block - first[s]} * kAttentionRowBlock;
    AttentionTask task;
    task.rows = static_cast<int>(std::min<int64_t>(kAttentionRowBlock, row_begin[s + 1] - row));
    task.group = group;
    task.head_dim = args.head_dim;
    task.window = args.window;
    task.scale = args.scale;
    task.queries = args.queries.row<float>(row) + kv_head * group * args.head_dim;
    task.query_stride = args.queries.row_stride();
    task.output = args.output.row<float>(row) + kv_head * group * args.head_dim;
    task.output_stride = args.output.row_stride();
    task.positions = positions + row;
    task.keys = rows_of(keys, kv_head);
    task.values = rows_of(values, kv_head);
    task.page_table = step.page_table.row<int32_t>(s);
    task.scratch = scratch.row<float>(worker);
    kernels_.attention(task);
  };
  // One row over a short context is done before another thread has woken up.
  const auto* lengths = step.kv_length.as<int32_t>();
  const int64_t longest = *std::max_element(lengths, lengths + num_sequences);
  const int64_t numbers = longest * args.head_dim * num_tasks;
  const int64_t grain = numbers < 4096 ? num_tasks : 1;
  pool_.for_each(num_tasks, grain, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t index = begin; index < end; ++index) run(index, worker);
  });
}

}  // namespace trellis::cpu
