// The section that says which kernels serve a block of the shape, by the number of rows.
#include "apps/trellis/gpu_check/sections.h"
#include "apps/trellis/shapes.h"
#include "backend/backend.h"

namespace trellis {

void show_plan(const GpuCheckOptions& options, GpuReport& report) {
  const auto backend = create_backend(options.backend, {});
  const ModelConfig config = shape_config(options.shape);
  BlockSizes sizes;
  sizes.bits = 4;
  sizes.codebook = exl3::Codebook::kMul1;
  sizes.hidden = config.hidden_size;
  sizes.intermediate = config.intermediate_size;
  sizes.heads = static_cast<int>(config.num_attention_heads);
  sizes.kv_heads = static_cast<int>(config.num_key_value_heads);
  sizes.head_dim = static_cast<int>(config.head_dim);
  for (const int64_t rows : {1, 8, 16, 17, 64, 512, 2048}) {
    const std::string plan = backend->describe_block(sizes, rows);
    if (plan.empty()) return report.note("this backend computes any number of rows in one way");
    report.note(fmt::format("{} K=4 mul1, rows {}: {}", options.shape, rows, plan));
  }
}

}  // namespace trellis
