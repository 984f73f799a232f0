#include "checkpoint/model_config.h"

#include "base/error_matchers.h"
#include "base/temporary_directory.h"
#include "checkpoint/config_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trellis {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ModelConfig, IsReadFromADirectory) {
  const TemporaryDirectory directory;
  directory.write("config.json", llama_config().dump());

  const ModelConfig config = read_model_config(directory.path());

  EXPECT_EQ(config.architecture, "LlamaForCausalLM");
  EXPECT_EQ(config.head_dim, 16);
}

TEST(ModelConfig, NamesAFileThatIsMissing) {
  const TemporaryDirectory directory;

  EXPECT_USER_ERROR(
      read_model_config(directory.path()), HasSubstr("config.json: cannot be opened")
  );
}

TEST(ModelConfig, IgnoresFieldsThatItDoesNotKnow) {
  Json document = llama_config();
  document["torch_dtype"] = "bfloat16";
  document["dtype"] = "float16";
  document["future"] = {{"anything", {1, 2, 3}}};

  EXPECT_NO_THROW(parse_model_config(document, "c"));
}

TEST(ModelConfig, FindsTheArchitectureByModelType) {
  Json document = config_of("", "qwen3");
  document.erase("architectures");

  const ModelConfig config = parse_model_config(document, "c");

  EXPECT_EQ(config.architecture, "Qwen3ForCausalLM");
  EXPECT_EQ(config.head_dim, 128);
}

TEST(ModelConfig, LeavesAnUnknownHeadOfAKnownModelTypeToTheRegistry) {
  const ModelConfig config =
      parse_model_config(config_of("LlamaForTokenClassification", "llama"), "c");

  EXPECT_EQ(config.architecture, "LlamaForTokenClassification");
}

TEST(ModelConfig, TakesOneIdOrAListAsStopTokens) {
  Json document = llama_config();
  document["eos_token_id"] = 7;
  EXPECT_THAT(parse_model_config(document, "c").eos_token_ids, ElementsAre(7));

  document["eos_token_id"] = {7, 8};
  EXPECT_THAT(parse_model_config(document, "c").eos_token_ids, ElementsAre(7, 8));
}

TEST(ModelConfig, AcceptsBothNamesOfSilu) {
  Json document = llama_config();
  for (const char* name : {"silu", "swish"}) {
    document["hidden_act"] = name;
    EXPECT_EQ(parse_model_config(document, "c").activation, Activation::kSilu);
  }
}

TEST(ModelConfig, ReadsWhatTheConverterWrote) {
  Json document = llama_config();
  document["quantization_config"] = Json::parse(R"({
      "quant_method": "exl3", "version": "1.4.1", "bits": 4.03, "head_bits": 6,
      "calibration": {"rows": 250}, "out_scales": "always", "codebook": "mul1",
      "tensor_storage": {}})");

  const auto quantization = parse_model_config(document, "c").quantization;

  ASSERT_TRUE(quantization.has_value());
  EXPECT_EQ(quantization->quant_method, "exl3");
  EXPECT_EQ(quantization->version, "1.4.1");
  EXPECT_EQ(quantization->bits, 4.03);
  EXPECT_EQ(quantization->head_bits, 6.0);
  EXPECT_EQ(quantization->codebook, exl3::Codebook::kMul1);
}

TEST(ModelConfig, NeedsNothingButTheMethodOfAQuantization) {
  Json document = llama_config();
  document["quantization_config"] = {{"quant_method", "exl3"}};

  const auto quantization = parse_model_config(document, "c").quantization;

  ASSERT_TRUE(quantization.has_value());
  EXPECT_EQ(quantization->bits, std::nullopt);
  EXPECT_EQ(quantization->codebook, std::nullopt);
}

TEST(ModelConfig, HasNoQuantizationWithoutTheField) {
  EXPECT_FALSE(parse_model_config(llama_config(), "c").quantization.has_value());
}

/// One change to a good configuration that must be refused, and what the message must say.
struct BadConfig {
  const char* name;
  const char* pointer;  // where to put the value
  const char* value;    // as JSON; "" removes the field
  std::vector<const char*> message;
};

std::vector<BadConfig> bad_configs() {
  return {
      {"ArchitectureIsANumber", "/architectures", "[1]", {"c: architectures must be a list"}},
      {"NoArchitectureInTheList", "/architectures", "[]", {"c: architectures must be a list"}},
      {"ForeignModelType", "/model_type", "\"gemma\"", {"c: model_type \"gemma\"", "\"llama\""}},
      {"NoHiddenSize", "/hidden_size", "", {"c: hidden_size is missing"}},
      {"NoLayers", "/num_hidden_layers", "0", {"c: num_hidden_layers must be between"}},
      {"TooManyLayers", "/num_hidden_layers", "1000000000", {"c: num_hidden_layers"}},
      {"NegativeHeads", "/num_attention_heads", "-4", {"c: num_attention_heads"}},
      {"HiddenSizeIsText", "/hidden_size", "\"64\"", {"c: hidden_size must be an integer"}},
      {"HugeVocabulary", "/vocab_size", "9223372036854775808", {"c: vocab_size"}},
      {"KeyHeadsDoNotDivide",
       "/num_key_value_heads",
       "3",
       {"c: num_key_value_heads (3) must divide"}},
      {"HiddenSizeNotDivisible", "/hidden_size", "66", {"c: hidden_size (66) must be a multiple"}},
      {"OddHeads", "/head_dim", "15", {"c: head_dim must be even"}},
      {"HeadsTooWide", "/head_dim", "16777216", {"c: head_dim (16777216) times"}},
      {"NegativeEpsilon", "/rms_norm_eps", "-1e-6", {"c: rms_norm_eps"}},
      {"EpsilonIsText", "/rms_norm_eps", "\"1e-6\"", {"c: rms_norm_eps must be a number"}},
      {"Gelu", "/hidden_act", "\"gelu\"", {"c: hidden_act \"gelu\"", "silu"}},
      {"TiedIsText", "/tie_word_embeddings", "\"yes\"", {"c: tie_word_embeddings"}},
      {"BiasIsANumber", "/attention_bias", "1", {"c: attention_bias must be true or false"}},
      {"NegativeStopToken", "/eos_token_id", "-1", {"c: eos_token_id must be a token id"}},
      {"StopTokenIsText", "/eos_token_id", R"([1,"</s>"])", {"c: eos_token_id"}},
      {"HugeStartToken", "/bos_token_id", "4294967296", {"c: bos_token_id"}},
      {"PartialRotation", "/partial_rotary_factor", "0.5", {"c: partial_rotary_factor must be 1"}},
      {"NoQuantMethod",
       "/quantization_config",
       "{}",
       {"c: quantization_config.quant_method is missing"}},
      {"OtherQuantMethod",
       "/quantization_config",
       R"({"quant_method":"gptq"})",
       {"c: quantization_config.quant_method \"gptq\"", "EXL3"}},
      {"UnknownCodebook",
       "/quantization_config",
       R"({"quant_method":"exl3","codebook":"mul2"})",
       {"c: quantization_config.codebook \"mul2\"", "3inst, mcg, mul1"}},
      {"BitsOutOfRange",
       "/quantization_config",
       R"({"quant_method":"exl3","bits":0})",
       {"c: quantization_config.bits"}},
      {"QuantizationIsText",
       "/quantization_config",
       "\"exl3\"",
       {"quantization_config must be an object"}},
  };
}

class BadModelConfig : public ::testing::TestWithParam<BadConfig> {};

TEST_P(BadModelConfig, IsRefusedByKeyPath) {
  Json document = llama_config();
  const std::string value = GetParam().value;
  if (value.empty()) {
    document.erase(GetParam().pointer + 1);
  } else {
    document[Json::json_pointer(GetParam().pointer)] = Json::parse(value);
  }

  const std::string message = user_error_of([&] { parse_model_config(document, "c"); });

  for (const char* part : GetParam().message) EXPECT_THAT(message, HasSubstr(part));
}

INSTANTIATE_TEST_SUITE_P(
    Llama, BadModelConfig, ::testing::ValuesIn(bad_configs()),
    [](const auto& info) { return std::string(info.param.name); }
);

TEST(ModelConfig, RefusesAnUnknownArchitectureListingTheSupportedOnes) {
  EXPECT_USER_ERROR(
      parse_model_config(config_of("MambaForCausalLM", "mamba"), "c"),
      AllOf(
          HasSubstr("c: architectures \"MambaForCausalLM\""), HasSubstr("LlamaForCausalLM"),
          HasSubstr("MistralForCausalLM"), HasSubstr("Qwen2ForCausalLM"),
          HasSubstr("Qwen3ForCausalLM")
      )
  );
  EXPECT_USER_ERROR(parse_model_config(Json::object(), "c"), HasSubstr("architectures is missing"));
  EXPECT_USER_ERROR(parse_model_config(Json::array(), "c"), HasSubstr("must be an object"));
}

class BadLayerTypes : public ::testing::TestWithParam<const char*> {};

TEST_P(BadLayerTypes, AreRefused) {
  Json document = config_of("Qwen3ForCausalLM", "qwen3");
  document["use_sliding_window"] = true;
  document["layer_types"] = Json::parse(GetParam());

  EXPECT_USER_ERROR(parse_model_config(document, "c"), HasSubstr("c: layer_types"));
}

INSTANTIATE_TEST_SUITE_P(
    ModelConfig, BadLayerTypes,
    ::testing::Values(
        "7", "[]", R"(["full_attention"])",
        R"(["full_attention", "chunked_attention", "full_attention"])",
        R"(["full_attention", 1, 2])"
    )
);

TEST(ModelConfig, RefusesAWindowedLayerWithoutAWindow) {
  Json document = config_of("Qwen2ForCausalLM", "qwen2");
  document["layer_types"] = {"full_attention", "sliding_attention", "full_attention"};

  EXPECT_USER_ERROR(parse_model_config(document, "c"), HasSubstr("c: layer_types[1]"));

  document["use_sliding_window"] = true;
  document["sliding_window"] = 9;
  EXPECT_THAT(parse_model_config(document, "c").layer_windows, ElementsAre(0, 9, 0));

  document["sliding_window"] = 0;
  EXPECT_USER_ERROR(parse_model_config(document, "c"), HasSubstr("c: sliding_window"));
}

}  // namespace
}  // namespace trellis
