// The host's part of a step, on the CPU backend and on one that chooses tokens itself.
#include "apps/trellis/host_time.h"

#include "apps/model_copy.h"
#include "backend/cuda/cuda_backend.h"

#include <gtest/gtest.h>

namespace trellis {
namespace {

double measure(Backend& backend) {
  const auto model =
      load_model(Checkpoint(kTinyExl3Model), read_model_config(kTinyExl3Model), backend);
  return host_step_s(*model, backend, same_kv_types(KvType::kFloat16), 3);
}

TEST(HostTime, IsMeasuredWhereTheHostChooses) {
  EXPECT_GT(measure(*create_backend("cpu", {.num_threads = 1})), 0.0);
}

TEST(HostTime, IsMeasuredWhereTheDeviceChooses) {
  const std::unique_ptr<Backend> backend = make_cuda_backend({});
  ASSERT_TRUE(backend->ops().chooses_tokens());

  EXPECT_GT(measure(*backend), 0.0);
}

}  // namespace
}  // namespace trellis
