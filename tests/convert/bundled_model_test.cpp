// The bundled model against the weights that it was made from.
#include "base/half.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/model_config.h"
#include "checkpoint/weights.h"
#include "convert/model_linears.h"
#include "exl3/reference.h"
#include "model/registry.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

namespace trellis {
namespace {

/// ||W - W'||^2 / ||W||^2 of a layer, decoded by the reference.
double relative_error(const ConstTensor& original, const Exl3Weight& weight) {
  const std::vector<float> decoded = exl3::reconstruct(
      {weight.padded_in(), weight.padded_out(), weight.bits, weight.codebook, weight.trellis.data(),
       weight.suh.data(), weight.svh.data()}
  );
  const int64_t out = original.dim(0);
  const int64_t in = original.dim(1);
  double error = 0.0;
  double power = 0.0;
  for (int64_t n = 0; n < out; ++n) {
    for (int64_t k = 0; k < in; ++k) {
      uint16_t bits = 0;
      std::memcpy(&bits, static_cast<const char*>(original.data()) + 2 * (n * in + k), 2);
      const double wanted = half_to_float(bits);
      const double got = decoded[static_cast<size_t>(k * weight.padded_out() + n)];
      error += (got - wanted) * (got - wanted);
      power += wanted * wanted;
    }
  }
  return error / power;
}

TEST(BundledModel, EveryLayerHasTheErrorOfNormalNumbers) {
  const std::filesystem::path source =
      std::filesystem::path(std::getenv("TRELLIS_TEST_DATA")) / "models" / "demo-25m";
  const Checkpoint parent(source);
  const Checkpoint bundled(
      std::filesystem::path(TRELLIS_SOURCE_DIR) / "models" / "demo-25m-exl3-4.0bpw"
  );
  const ModelConfig config = read_model_config(source);
  const ModelSpec spec = make_model_spec(config);

  const std::vector<ModelLinear> linears = list_linears(spec, config, 4.0, 6);

  ASSERT_EQ(linears.size(), 57u);
  for (const ModelLinear& linear : linears) {
    const LinearSpec& layer = linear.spec;
    const LinearWeight loaded =
        linear.is_head ? load_head(bundled, layer.in, layer.out, spec.tied_head)
                       : load_linear(bundled, layer.key, layer.in, layer.out, layer.bias);
    const auto& weight = std::get<Exl3Weight>(loaded);
    EXPECT_EQ(weight.bits, linear.is_head ? 6 : 4);
    const ConstTensor original =
        parent.tensor(linear.is_head ? "model.embed_tokens.weight" : layer.key + ".weight");
    ASSERT_EQ(original.dtype(), DType::kFloat16) << layer.key;
    const double expected = linear.is_head ? 0.000293 : 0.00441;
    EXPECT_NEAR(relative_error(original, weight), expected, 0.10 * expected) << layer.key;
  }
}

}  // namespace
}  // namespace trellis
