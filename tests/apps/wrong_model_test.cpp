// Model directories that are damaged or of a wrong kind: one clear sentence, exit code 1, quickly,
// whichever verb meets them.
#include "apps/model_copy.h"
#include "apps/run_program.h"

#include <gtest/gtest.h>

namespace trellis {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr const char* kWeight = "model.layers.1.mlp.up_proj.weight";
constexpr std::string_view kHalfNan("\x00\x7e", 2);

ProgramResult generate(const std::string& model) {
  return run_program({"generate", "-m", model, "--prompt", "a", "--max-tokens", "2", "--json"});
}
ProgramResult inspect(const std::string& model) {
  return run_program({"inspect", model, "--json"});
}
ProgramResult bench(const std::string& model) {
  return run_program({"bench", "-m", model, "--prompt", "2", "--generate", "1", "--json"});
}
ProgramResult quantize(const std::string& model) {
  return run_program({"quantize", model, model + "/out", "--json"});
}

TEST(WrongModel, ThatDoesNotExistIsNamed) {
  const auto named = HasSubstr("/no/such/model: no such model directory");

  expect_failure(generate("/no/such/model"), 1, named);
  expect_failure(inspect("/no/such/model"), 1, named);
  expect_failure(bench("/no/such/model"), 1, named);
  expect_failure(quantize("/no/such/model"), 1, named);
  expect_failure(run_program({"chat", "-m", "/no/such/model"}), 1, named);
  expect_failure(run_program({"perplexity", "-m", "/no/such/model", "--text", "a"}), 1, named);
}

TEST(WrongModel, ThatIsAFileIsToldFromADirectory) {
  expect_failure(generate(kTinyModel + "/config.json"), 1, HasSubstr("config.json: is a file"));
}

TEST(WrongModel, WithoutConfigurationNamesTheFile) {
  const TemporaryDirectory directory;

  expect_failure(
      generate(directory.path().string()), 1, HasSubstr("config.json: cannot be opened")
  );
}

TEST(WrongModel, OfAnUnknownArchitectureNamesIt) {
  const ModelCopy model;
  model.set_config("architectures", {"ParrotForCausalLM"});
  model.set_config("model_type", "parrot");
  const auto named = AllOf(HasSubstr("config.json"), HasSubstr("ParrotForCausalLM"));

  expect_failure(generate(model.path()), 1, named);
  expect_failure(inspect(model.path()), 1, named);
  expect_failure(bench(model.path()), 1, named);
  expect_failure(quantize(model.path()), 1, named);
}

TEST(WrongModel, QuantizedByAnotherMethodNamesIt) {
  const ModelCopy model;
  model.set_config("quantization_config", {{"quant_method", "gptq"}, {"bits", 4}});

  expect_failure(generate(model.path()), 1, HasSubstr("quant_method \"gptq\""));
}

struct WrongValue {
  const char* name;
  const char* key;
  Json value;
};

class WrongConfiguration : public testing::TestWithParam<WrongValue> {};

TEST_P(WrongConfiguration, NamesTheKey) {
  const ModelCopy model;
  model.set_config(GetParam().key, GetParam().value);
  const auto named = AllOf(HasSubstr("config.json: "), HasSubstr(GetParam().key));

  expect_failure(generate(model.path()), 1, named);
  expect_failure(inspect(model.path()), 1, named);
}

INSTANTIATE_TEST_SUITE_P(
    Program, WrongConfiguration,
    testing::Values(
        WrongValue{"HugeHiddenSize", "hidden_size", 1'000'000'000'000},
        WrongValue{"NegativeLayers", "num_hidden_layers", -1},
        WrongValue{"HugeVocabulary", "vocab_size", 1'000'000'000'000},
        WrongValue{"WordForANumber", "hidden_size", "128"},
        WrongValue{"OddHeadSize", "head_dim", 7},
        WrongValue{"UnknownActivation", "hidden_act", "gelu"}
    ),
    [](const auto& info) { return std::string(info.param.name); }
);

TEST(WrongModel, WithDamagedJsonNamesLineAndColumn) {
  const ModelCopy model;
  model.write("config.json", "{\n  \"hidden_size\": 128,\n  \"vocab_size\" \"5\"\n}\n");

  expect_failure(
      generate(model.path()), 1, HasSubstr("config.json: not valid JSON: parse error at")
  );
  expect_failure(generate(model.path()), 1, HasSubstr("line 3, column 18"));
}

TEST(WrongModel, WithoutOrWithADamagedTokenizerNamesTheFile) {
  const ModelCopy damaged;
  std::filesystem::resize_file(damaged.file("tokenizer.json"), 10'000);
  const ModelCopy missing;
  std::filesystem::remove(missing.file("tokenizer.json"));

  expect_failure(generate(damaged.path()), 1, HasSubstr("tokenizer.json: not a usable tokenizer"));
  expect_failure(generate(missing.path()), 1, HasSubstr("tokenizer.json: cannot be opened"));
}

TEST(WrongModel, WithTheTokenizerOfAnotherIsRefused) {
  const ModelCopy model;
  std::filesystem::copy_file(
      kBundledModel + "/tokenizer.json", model.file("tokenizer.json"),
      std::filesystem::copy_options::overwrite_existing
  );
  const TemporaryDirectory directory;
  std::string words;
  for (int i = 0; i < 600; ++i) words += "the interesting question ";
  const auto text = directory.write("text.txt", words);

  expect_failure(
      run_program({"perplexity", "-m", model.path(), "--text", text.string()}), 1,
      AllOf(HasSubstr("tokenizer.json"), HasSubstr("1024"))
  );
}

TEST(WrongModel, WithATruncatedFileNamesIt) {
  const ModelCopy model;
  model.truncate_weights(100'000);
  const auto named = AllOf(HasSubstr("model.safetensors"), HasSubstr("truncated"));

  expect_failure(generate(model.path()), 1, named);
  expect_failure(inspect(model.path()), 1, named);
  expect_failure(quantize(model.path()), 1, named);
}

TEST(WrongModel, WithAHeaderOf2To60BytesIsRefused) {
  const ModelCopy model;
  model.patch_weights(0, std::string_view("\0\0\0\0\0\0\0\x10", 8));
  const auto named = AllOf(HasSubstr("model.safetensors"), HasSubstr("1152921504606846976 bytes"));

  expect_failure(generate(model.path()), 1, named);
  expect_failure(inspect(model.path()), 1, named);
  expect_failure(bench(model.path()), 1, named);
  expect_failure(quantize(model.path()), 1, named);
}

TEST(WrongModel, WithoutATensorNamesIt) {
  const ModelCopy model;
  model.rename_tensor(kWeight, "model.layers.1.mlp.up_prox.weight");

  expect_failure(generate(model.path()), 1, HasSubstr(kWeight));
  expect_failure(inspect(model.path()), 1, HasSubstr(kWeight));
  expect_failure(quantize(model.path()), 1, HasSubstr(kWeight));
}

TEST(WrongModel, WithATensorOfAnotherShapeNamesIt) {
  const ModelCopy model;
  model.set_config("intermediate_size", 256);
  const auto named = AllOf(HasSubstr("gate_proj.weight"), HasSubstr("[384, 128]"));

  expect_failure(generate(model.path()), 1, named);
  expect_failure(inspect(model.path()), 1, named);
}

TEST(WrongModel, WithANanWeightNamesTheTensor) {
  const ModelCopy model;
  model.patch_tensor(kWeight, kHalfNan);
  const auto named = AllOf(HasSubstr(kWeight), HasSubstr("NaN"));

  expect_failure(generate(model.path()), 1, named);
  expect_failure(bench(model.path()), 1, named);
  expect_failure(quantize(model.path()), 1, named);
}

TEST(WrongModel, WithANanNormIsNotQuantized) {
  const ModelCopy model;
  model.patch_tensor("model.norm.weight", kHalfNan);

  expect_failure(
      quantize(model.path()), 1, AllOf(HasSubstr("model.norm.weight"), HasSubstr("NaN"))
  );
}

TEST(WrongModel, WithANanScaleOfAnExl3LayerNamesTheTensor) {
  const ModelCopy model(kBundledModel);
  model.patch_tensor("model.layers.3.mlp.up_proj.suh", kHalfNan);
  const auto named = AllOf(HasSubstr("model.layers.3.mlp.up_proj.suh"), HasSubstr("NaN"));

  expect_failure(generate(model.path()), 1, named);
  expect_failure(bench(model.path()), 1, named);
}

TEST(WrongModel, WithHeadsThatGroupsDoNotDivideKeepsItsCacheInFloats) {
  const ModelCopy model;
  model.set_config("head_dim", 80);
  const auto named = AllOf(HasSubstr("q4"), HasSubstr("32"), HasSubstr("80"));

  expect_failure(
      run_program({"generate", "-m", model.path(), "--prompt", "a", "--cache-type", "q4"}), 1, named
  );
  expect_failure(run_program({"inspect", model.path(), "--cache-type", "q4"}), 1, named);
}

TEST(WrongModel, QuantizedAlreadyIsNotQuantizedAgain) {
  const TemporaryDirectory directory;
  const std::string output = (directory.path() / "out").string();

  expect_failure(
      run_program({"quantize", kBundledModel, output}), 1, HasSubstr("is quantized already")
  );
}

}  // namespace
}  // namespace trellis
