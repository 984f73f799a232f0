#include "checkpoint/generation_config.h"

#include "base/error_matchers.h"
#include "base/temporary_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trellis {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

GenerationConfig parse(const char* text) {
  return parse_generation_config(Json::parse(text), "g");
}

TEST(GenerationConfig, HoldsDefaultsWithoutAFile) {
  const TemporaryDirectory directory;

  const GenerationConfig config = read_generation_config(directory.path());

  EXPECT_THAT(config.eos_token_ids, IsEmpty());
  EXPECT_EQ(config.bos_token_id, std::nullopt);
  EXPECT_EQ(config.sampling.temperature, 1.0f);
  EXPECT_EQ(config.sampling.top_p, 1.0f);
}

TEST(GenerationConfig, ReadsEveryField) {
  const TemporaryDirectory directory;
  directory.write(
      "generation_config.json",
      R"({"bos_token_id": 3, "eos_token_id": [1, 2], "do_sample": true, "temperature": 0.5,
          "top_k": 20, "top_p": 0.75, "min_p": 0.125, "repetition_penalty": 1.25,
          "no_repeat_ngram_size": 3, "typical_p": 0.625,
          "transformers_version": "5.0"})"
  );

  const GenerationConfig config = read_generation_config(directory.path());

  EXPECT_EQ(config.bos_token_id, 3);
  EXPECT_THAT(config.eos_token_ids, ElementsAre(1, 2));
  EXPECT_EQ(config.sampling.temperature, 0.5f);
  EXPECT_EQ(config.sampling.top_k, 20);
  EXPECT_EQ(config.sampling.top_p, 0.75f);
  EXPECT_EQ(config.sampling.min_p, 0.125f);
  EXPECT_EQ(config.sampling.repetition_penalty, 1.25f);
  EXPECT_EQ(config.sampling.typical_p, 0.625f);
  EXPECT_EQ(config.sampling.no_repeat_ngram_size, 3);
}

TEST(GenerationConfig, IsGreedyWhereSamplingIsSwitchedOff) {
  EXPECT_EQ(parse(R"({"do_sample": false, "temperature": 0.7})").sampling.temperature, 0.0f);
  EXPECT_EQ(parse(R"({"temperature": 0.7})").sampling.temperature, 0.7f);
  EXPECT_EQ(parse(R"({"temperature": 0})").sampling.temperature, 0.0f);
}

TEST(GenerationConfig, TakesNullAsAbsentAndMinusOneAsAll) {
  const GenerationConfig config =
      parse(R"({"eos_token_id": null, "temperature": null, "top_k": -1, "top_p": null})");

  EXPECT_THAT(config.eos_token_ids, IsEmpty());
  EXPECT_EQ(config.sampling.temperature, 1.0f);
  EXPECT_EQ(config.sampling.top_k, 0);
}

struct BadGeneration {
  const char* text;
  const char* message;
};

class BadGenerationConfig : public ::testing::TestWithParam<BadGeneration> {};

TEST_P(BadGenerationConfig, IsRefusedByKeyPath) {
  EXPECT_USER_ERROR(parse(GetParam().text), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    GenerationConfig, BadGenerationConfig,
    ::testing::Values(
        BadGeneration{"[]", "g: the document must be an object"},
        BadGeneration{R"({"temperature": -0.1})", "g: temperature must be between"},
        BadGeneration{R"({"temperature": "hot"})", "g: temperature must be a number"},
        BadGeneration{R"({"top_k": -2})", "g: top_k must be between"},
        BadGeneration{R"({"top_k": 1.5})", "g: top_k must be an integer"},
        BadGeneration{R"({"top_p": 0})", "g: top_p must be between"},
        BadGeneration{R"({"top_p": 1.1})", "g: top_p must be between"},
        BadGeneration{R"({"min_p": 2})", "g: min_p must be between"},
        BadGeneration{R"({"repetition_penalty": 0})", "g: repetition_penalty must be between"},
        BadGeneration{R"({"do_sample": "no"})", "g: do_sample must be true or false"},
        BadGeneration{R"({"eos_token_id": [[1]]})", "g: eos_token_id must be a token id"},
        BadGeneration{R"({"bos_token_id": 2.0})", "g: bos_token_id must be a token id"}
    )
);

}  // namespace
}  // namespace trellis
