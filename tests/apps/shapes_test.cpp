#include "apps/trellis/shapes.h"

#include "apps/trellis/layer_summary.h"
#include "base/error_matchers.h"
#include "model/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trellis {
namespace {

struct PublishedSize {
  const char* shape;
  int64_t parameters;  // as the model's card on Hugging Face counts its tensors
};

class ShapeSize : public testing::TestWithParam<PublishedSize> {};

TEST_P(ShapeSize, HasAsManyParametersAsPublished) {
  const ModelConfig config = shape_config(GetParam().shape);

  EXPECT_EQ(count_parameters(config, make_model_spec(config)), GetParam().parameters);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, ShapeSize,
    testing::Values(
        PublishedSize{"llama-3.2-1b", 1235814400}, PublishedSize{"llama-3.2-3b", 3212749824},
        PublishedSize{"llama-3.1-8b", 8030261248}, PublishedSize{"qwen2.5-0.5b", 494032768},
        PublishedSize{"qwen2.5-1.5b", 1543714304}, PublishedSize{"qwen2.5-3b", 3085938688},
        PublishedSize{"qwen2.5-7b", 7615616512}, PublishedSize{"qwen3-0.6b", 596049920},
        PublishedSize{"qwen3-1.7b", 1720574976}, PublishedSize{"qwen3-4b", 4022468096},
        PublishedSize{"qwen3-8b", 8190735360}, PublishedSize{"mistral-7b", 7248023552}
    ),
    [](const auto& info) {
      std::string name = info.param.shape;
      for (char& c : name) {
        if (c == '-' || c == '.') c = '_';
      }
      return name;
    }
);

TEST(Shapes, EveryNameIsKnown) {
  const std::vector<std::string> names = shape_names();

  ASSERT_EQ(names.size(), 12U);
  for (const std::string& name : names) EXPECT_GT(shape_config(name).vocab_size, 0) << name;
}

TEST(Shapes, UnknownNameListsTheKnownOnes) {
  EXPECT_USER_ERROR(
      shape_config("llama-9"),
      testing::AllOf(testing::HasSubstr("\"llama-9\""), testing::HasSubstr("llama-3.2-1b"))
  );
}

}  // namespace
}  // namespace trellis
