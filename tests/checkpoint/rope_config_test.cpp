#include "checkpoint/rope_config.h"

#include "base/error_matchers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trellis {
namespace {

using ::testing::HasSubstr;

RopeConfig read(const char* text) {
  const Json document = Json::parse(text);
  return read_rope_config(JsonObject(document, "c"));
}

TEST(RopeConfig, IsPlainByDefault) {
  const RopeConfig rope = read("{}");

  EXPECT_EQ(rope.type, RopeConfig::Type::kDefault);
  EXPECT_EQ(rope.theta, 10000.0);
}

/// Spellings of the same thing.
class LinearRope : public ::testing::TestWithParam<const char*> {};

TEST_P(LinearRope, IsReadInEverySpelling) {
  const RopeConfig rope = read(GetParam());

  EXPECT_EQ(rope.type, RopeConfig::Type::kLinear);
  EXPECT_EQ(rope.theta, 500.0);
  EXPECT_EQ(rope.factor, 2.0);
}

INSTANTIATE_TEST_SUITE_P(
    Spellings, LinearRope,
    ::testing::Values(
        R"({"rope_theta": 500, "rope_scaling": {"type": "linear", "factor": 2}})",
        R"({"rope_theta": 500.0, "rope_scaling": {"rope_type": "linear", "factor": 2.0}})",
        R"({"rope_parameters": {"rope_type": "linear", "factor": 2, "rope_theta": 500}})",
        R"({"rope_theta": 500, "rope_parameters": {"rope_type": "linear", "factor": 2}})",
        R"({"rope_scaling": null,
            "rope_parameters": {"rope_type": "linear", "factor": 2, "rope_theta": 500}})",
        R"({"rope_theta": 9, "rope_scaling": {},
            "rope_parameters": {"rope_type": "linear", "factor": 2, "rope_theta": 500}})",
        R"({"rope_theta": 500, "partial_rotary_factor": 1.0,
            "rope_scaling": {"type": "dynamic", "rope_type": "linear", "factor": 2}})"
    )
);

TEST(RopeConfig, ReadsLlama3) {
  const RopeConfig rope = read(
      R"({"rope_theta": 500000, "rope_scaling": {"rope_type": "llama3", "factor": 8,
          "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 8192}})"
  );

  EXPECT_EQ(rope.type, RopeConfig::Type::kLlama3);
  EXPECT_EQ(rope.factor, 8.0);
  EXPECT_EQ(rope.low_frequency_factor, 1.0);
  EXPECT_EQ(rope.high_frequency_factor, 4.0);
  EXPECT_EQ(rope.original_max_position_embeddings, 8192);
}

TEST(RopeConfig, ReadsYarnWithItsDefaults) {
  const RopeConfig rope = read(R"({"rope_scaling": {"type": "yarn", "factor": 4}})");

  EXPECT_EQ(rope.type, RopeConfig::Type::kYarn);
  EXPECT_EQ(rope.beta_fast, 32.0);
  EXPECT_EQ(rope.beta_slow, 1.0);
  EXPECT_EQ(rope.attention_factor, std::nullopt);
  EXPECT_EQ(rope.mscale, std::nullopt);
  EXPECT_EQ(rope.original_max_position_embeddings, 0);
  EXPECT_TRUE(rope.truncate);
}

TEST(RopeConfig, ReadsEveryFieldOfYarn) {
  const RopeConfig rope = read(
      R"({"original_max_position_embeddings": 64,
          "rope_parameters": {"rope_type": "yarn", "factor": 4.5, "beta_fast": 8, "beta_slow": 2,
          "attention_factor": 1.5, "mscale": 0.7, "mscale_all_dim": 0.3, "truncate": false,
          "original_max_position_embeddings": 32}})"
  );

  EXPECT_EQ(rope.factor, 4.5);
  EXPECT_EQ(rope.beta_fast, 8.0);
  EXPECT_EQ(rope.beta_slow, 2.0);
  EXPECT_EQ(rope.attention_factor, 1.5);
  EXPECT_EQ(rope.mscale, 0.7);
  EXPECT_EQ(rope.mscale_all_dim, 0.3);
  EXPECT_FALSE(rope.truncate);
  EXPECT_EQ(rope.original_max_position_embeddings, 64) << "the outer field wins";
}

struct BadRope {
  const char* name;
  const char* text;
  const char* message;
};

class BadRopeConfig : public ::testing::TestWithParam<BadRope> {};

TEST_P(BadRopeConfig, IsRefusedByKeyPath) {
  EXPECT_USER_ERROR(read(GetParam().text), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    RopeConfig, BadRopeConfig,
    ::testing::Values(
        BadRope{
            "Dynamic", R"({"rope_scaling": {"rope_type": "dynamic", "factor": 2}})",
            "c: rope_scaling.rope_type \"dynamic\" is not supported; supported are default, linear,"
        },
        BadRope{
            "LongRopeOldSpelling", R"({"rope_scaling": {"type": "longrope"}})",
            "c: rope_scaling.type \"longrope\" is not supported"
        },
        BadRope{
            "ProportionalNewSpelling", R"({"rope_parameters": {"rope_type": "proportional"}})",
            "c: rope_parameters.rope_type \"proportional\""
        },
        BadRope{
            "TypeIsANumber", R"({"rope_scaling": {"rope_type": 3}})",
            "c: rope_scaling.rope_type must be a string"
        },
        BadRope{"ScalingIsText", R"({"rope_scaling": "linear"})", "rope_scaling must be an object"},
        BadRope{
            "PerLayerType", R"({"rope_parameters": {"full_attention": {"rope_type": "default"}}})",
            "c: rope_parameters.full_attention"
        },
        BadRope{
            "PartialInside", R"({"rope_parameters": {"partial_rotary_factor": 0.25}})",
            "c: rope_parameters.partial_rotary_factor must be 1, found 0.25"
        },
        BadRope{"ThetaOne", R"({"rope_theta": 1})", "c: rope_theta must be greater than 1"},
        BadRope{"ThetaIsText", R"({"rope_theta": "1e4"})", "c: rope_theta must be a number"},
        BadRope{
            "NoFactor", R"({"rope_scaling": {"type": "linear"}})",
            "c: rope_scaling.factor is missing"
        },
        BadRope{
            "FactorBelowOne", R"({"rope_scaling": {"type": "linear", "factor": 0.5}})",
            "c: rope_scaling.factor must be at least 1"
        },
        BadRope{
            "NoLowFactor", R"({"rope_scaling": {"type": "llama3", "factor": 8}})",
            "c: rope_scaling.low_freq_factor is missing"
        },
        BadRope{
            "LowFactorZero",
            R"({"rope_scaling": {"type": "llama3", "factor": 8, "low_freq_factor": 0,
                "high_freq_factor": 4}})",
            "c: rope_scaling.low_freq_factor must be greater than 0"
        },
        BadRope{
            "EqualFactors",
            R"({"rope_scaling": {"type": "llama3", "factor": 8, "low_freq_factor": 4,
                "high_freq_factor": 4}})",
            "c: rope_scaling.high_freq_factor must be greater than low_freq_factor"
        },
        BadRope{
            "NegativeBeta", R"({"rope_scaling": {"type": "yarn", "factor": 8, "beta_fast": -1}})",
            "c: rope_scaling.beta_fast must be greater than 0"
        },
        BadRope{
            "NegativeMscale", R"({"rope_scaling": {"type": "yarn", "factor": 8, "mscale": -1}})",
            "c: rope_scaling.mscale must be at least 0"
        },
        BadRope{
            "OriginalLengthZero",
            R"({"rope_scaling": {"type": "yarn", "factor": 8,
                "original_max_position_embeddings": 0}})",
            "c: rope_scaling.original_max_position_embeddings must be between 1"
        }
    ),
    [](const auto& info) { return std::string(info.param.name); }
);

}  // namespace
}  // namespace trellis
