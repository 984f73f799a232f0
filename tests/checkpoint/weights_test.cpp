#include "checkpoint/weights.h"

#include "base/error_matchers.h"
#include "base/half.h"
#include "base/temporary_directory.h"
#include "checkpoint/raw_safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

namespace trellis {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint16_t kNan = 0x7E00;

/// A checkpoint of the given tensors, whose data starts at an odd address.
class CheckpointOf {
 public:
  explicit CheckpointOf(const std::vector<RawTensor>& tensors) {
    const std::string file = make_safetensors(tensors);
    const size_t padding = (file.size() - data_bytes(tensors)) % 2 == 0 ? 1 : 0;
    directory_.write("model.safetensors", make_safetensors(tensors, padding));
    checkpoint_ = std::make_unique<Checkpoint>(directory_.path());
  }

  const Checkpoint& operator*() const { return *checkpoint_; }

 private:
  static size_t data_bytes(const std::vector<RawTensor>& tensors) {
    size_t total = 0;
    for (const RawTensor& tensor : tensors) total += tensor.data.size();
    return total;
  }

  TemporaryDirectory directory_;
  std::unique_ptr<Checkpoint> checkpoint_;
};

RawTensor halves(const std::string& name, const std::vector<int64_t>& shape, size_t count) {
  std::vector<uint16_t> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = float_to_half(static_cast<float>(i + 1));
  return raw_tensor(name, DType::kFloat16, shape, values);
}

std::vector<uint16_t> words_of(const ConstTensor& tensor) {
  std::vector<uint16_t> words(static_cast<size_t>(tensor.numel()));
  std::memcpy(words.data(), tensor.data(), tensor.bytes());
  return words;
}

TEST(LoadVector, WidensEveryFloat) {
  const CheckpointOf checkpoint(
      {raw_tensor<uint16_t>("f16", DType::kFloat16, {2}, {0x3C00, 0xC100}),
       raw_tensor<uint16_t>("bf16", DType::kBFloat16, {2}, {0x3F80, 0xC020}),
       raw_tensor<float>("f32", DType::kFloat32, {2}, {1.0f, -2.5f}),
       raw_tensor<double>("f64", DType::kFloat64, {2}, {1.0, -2.5})}
  );

  for (const char* name : {"f16", "bf16", "f32", "f64"}) {
    EXPECT_THAT(load_vector(*checkpoint, name, 2), ElementsAre(1.0f, -2.5f)) << name;
  }
}

TEST(LoadVector, RefusesWhatIsNotAFiniteVectorOfThatSize) {
  const CheckpointOf checkpoint(
      {raw_tensor<float>("norm", DType::kFloat32, {2}, {1.0f, 2.0f}),
       raw_tensor<uint16_t>("nan", DType::kFloat16, {2}, {0, kNan}),
       raw_tensor<double>("wide", DType::kFloat64, {1}, {1e300}),
       raw_tensor<int32_t>("ints", DType::kInt32, {2}, {1, 2})}
  );

  EXPECT_USER_ERROR(
      load_vector(*checkpoint, "norm", 3),
      AllOf(HasSubstr("model.safetensors: norm has shape [2]"), HasSubstr("[3]"))
  );
  EXPECT_USER_ERROR(
      load_vector(*checkpoint, "nan", 2),
      HasSubstr("model.safetensors: nan holds a NaN or infinity at element 1")
  );
  EXPECT_USER_ERROR(load_vector(*checkpoint, "wide", 1), HasSubstr("too large for fp32"));
  EXPECT_USER_ERROR(load_vector(*checkpoint, "ints", 2), HasSubstr("ints has dtype I32"));
  EXPECT_USER_ERROR(load_vector(*checkpoint, "none", 2), HasSubstr("\"none\" is missing"));
}

TEST(LoadMatrix, GivesAViewOfTheFile) {
  const CheckpointOf checkpoint({halves("m", {2, 3}, 6)});

  const ConstTensor matrix = load_matrix(*checkpoint, "m", 2, 3);

  EXPECT_EQ(matrix.data(), (*checkpoint).tensor("m").data());
  EXPECT_EQ(matrix.shape(), (Shape{2, 3}));
}

TEST(LoadMatrix, RefusesOtherShapesDtypesAndNan) {
  const CheckpointOf checkpoint(
      {halves("m", {2, 3}, 6), halves("flat", {6}, 6),
       raw_tensor<double>("f64", DType::kFloat64, {1, 1}, {1.0}),
       raw_tensor<float>("inf", DType::kFloat32, {1, 2}, {0.0f, -INFINITY})}
  );

  EXPECT_USER_ERROR(load_matrix(*checkpoint, "m", 3, 2), HasSubstr("m has shape [2, 3]"));
  EXPECT_USER_ERROR(load_matrix(*checkpoint, "flat", 2, 3), HasSubstr("flat has shape [6]"));
  EXPECT_USER_ERROR(load_matrix(*checkpoint, "f64", 1, 1), HasSubstr("f64 has dtype F64"));
  EXPECT_USER_ERROR(load_matrix(*checkpoint, "inf", 1, 2), HasSubstr("infinity at element 1"));
}

TEST(LoadLinear, ReadsADenseLayerWithItsBias) {
  const CheckpointOf checkpoint({halves("l.weight", {3, 2}, 6), halves("l.bias", {3}, 3)});

  const LinearWeight weight = load_linear(*checkpoint, "l", 2, 3, true);

  const auto& dense = std::get<DenseWeight>(weight);
  EXPECT_EQ(dense.weight.shape(), (Shape{3, 2}));
  EXPECT_EQ(words_of(dense.bias), words_of((*checkpoint).tensor("l.bias")));
}

TEST(LoadLinear, LeavesTheBiasEmptyWhereThereIsNone) {
  const CheckpointOf checkpoint({halves("l.weight", {3, 2}, 6)});

  const LinearWeight weight = load_linear(*checkpoint, "l", 2, 3, false);

  EXPECT_TRUE(std::get<DenseWeight>(weight).bias.empty());
}

TEST(LoadLinear, RefusesAMissingOrWrongDenseTensor) {
  const CheckpointOf checkpoint(
      {halves("l.weight", {3, 2}, 6), halves("b.weight", {3, 2}, 6), halves("b.bias", {2}, 2)}
  );

  EXPECT_USER_ERROR(
      load_linear(*checkpoint, "k", 2, 3, false), HasSubstr("\"k.weight\" is missing")
  );
  EXPECT_USER_ERROR(
      load_linear(*checkpoint, "l", 3, 2, false), HasSubstr("l.weight has shape [3, 2]")
  );
  EXPECT_USER_ERROR(load_linear(*checkpoint, "l", 2, 3, true), HasSubstr("\"l.bias\" is missing"));
  EXPECT_USER_ERROR(load_linear(*checkpoint, "b", 2, 3, true), HasSubstr("b.bias has shape [2]"));
}

TEST(LoadLinear, RefusesABiasThatTheConfigurationDoesNotKnowUnlessItIsZero) {
  const CheckpointOf checkpoint(
      {halves("l.weight", {3, 2}, 6), halves("l.bias", {3}, 3), halves("z.weight", {3, 2}, 6),
       raw_tensor<uint16_t>("z.bias", DType::kFloat16, {3}, {0, 0x8000, 0})}
  );

  EXPECT_USER_ERROR(load_linear(*checkpoint, "l", 2, 3, false), HasSubstr("l.bias is not zero"));
  const LinearWeight zero = load_linear(*checkpoint, "z", 2, 3, false);
  EXPECT_TRUE(std::get<DenseWeight>(zero).bias.empty());
}

TEST(LoadHead, PrefersTheHeadsOwnWeights) {
  const CheckpointOf checkpoint(
      {halves("lm_head.weight", {3, 2}, 6), halves("model.embed_tokens.weight", {3, 2}, 6)}
  );

  const LinearWeight head = load_head(*checkpoint, 2, 3, true);

  EXPECT_EQ(
      std::get<DenseWeight>(head).weight.data(), (*checkpoint).tensor("lm_head.weight").data()
  );
}

TEST(LoadHead, TakesTheEmbeddingOfATiedModelOnly) {
  const CheckpointOf checkpoint({halves("model.embed_tokens.weight", {3, 2}, 6)});

  const LinearWeight head = load_head(*checkpoint, 2, 3, true);

  EXPECT_EQ(
      std::get<DenseWeight>(head).weight.data(),
      (*checkpoint).tensor("model.embed_tokens.weight").data()
  );
  EXPECT_USER_ERROR(
      load_head(*checkpoint, 2, 3, false), HasSubstr("\"lm_head.weight\" is missing")
  );
}

}  // namespace
}  // namespace trellis
