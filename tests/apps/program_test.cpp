// The built program as a user meets it: exit codes, one-line messages, and the fields of --json.
#include "apps/run_program.h"
#include "base/json.h"
#include "base/temporary_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace trellis {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

const std::string kModel = TRELLIS_SOURCE_DIR "/tests/data/models/tiny-1m";

/// The program failed with this code and said why in one line on stderr, and nothing on stdout.
void expect_failure(
    const ProgramResult& result, int code, const testing::Matcher<std::string>& message
) {
  EXPECT_EQ(result.exit_code, code) << result.err;
  EXPECT_THAT(result.err, AllOf(StartsWith("trellis: "), message));
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  EXPECT_THAT(result.out, IsEmpty());
}

/// The one JSON document on stdout of a run that succeeded.
Json document_of(const ProgramResult& result) {
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return parse_json(result.out, "stdout");
}

/// A model directory with the test model's files, some of them replaced.
class ModelCopy {
 public:
  ModelCopy() {
    for (const char* name :
         {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
          "model.safetensors"}) {
      std::filesystem::copy_file(std::filesystem::path(kModel) / name, directory_.path() / name);
    }
  }
  void set_config(const std::string& key, const Json& value) {
    Json config = read_json_file(directory_.path() / "config.json");
    config[key] = value;
    directory_.write("config.json", config.dump());
  }
  void truncate_weights(uintmax_t bytes) {
    std::filesystem::resize_file(directory_.path() / "model.safetensors", bytes);
  }
  std::string path() const { return directory_.path().string(); }

 private:
  TemporaryDirectory directory_;
};

TEST(Program, HelpIsThereForEveryVerb) {
  EXPECT_THAT(run_program({"--help"}).out, HasSubstr("perplexity"));
  for (const char* verb : {"chat", "generate", "inspect", "quantize", "perplexity", "bench"}) {
    const ProgramResult result = run_program({verb, "--help"});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_THAT(result.out, HasSubstr("Usage: trellis " + std::string(verb)));
  }
}

TEST(Program, VersionIsPrinted) {
  const ProgramResult result = run_program({"--version"});

  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, StartsWith("trellis 0."));
}

TEST(Program, RefusesWrongUsage) {
  expect_failure(run_program({}), 2, HasSubstr("the verbs are chat, generate, inspect"));
  expect_failure(run_program({"sing"}), 2, HasSubstr("sing"));
  expect_failure(run_program({"generate", "--prompt", "a"}), 2, HasSubstr("--model"));
  expect_failure(run_program({"generate", "-m", kModel}), 2, HasSubstr("--prompt-file"));
  expect_failure(
      run_program({"generate", "-m", kModel, "--prompt", "a", "--backend", "abacus"}), 2,
      HasSubstr("abacus")
  );
  expect_failure(
      run_program({"generate", "-m", kModel, "--prompt", "a", "--logprobs", "3"}), 2,
      HasSubstr("--json")
  );
  expect_failure(
      run_program({"generate", "-m", kModel, "--prompt", "a", "--logit-bias", "x"}), 2,
      HasSubstr("ID=BIAS")
  );
  expect_failure(run_program({"bench"}), 2, HasSubstr("--shape"));
  expect_failure(run_program({"bench", "--shape", "llama-9"}), 2, HasSubstr("llama-3.2-1b"));
  expect_failure(run_program({"perplexity", "-m", kModel}), 2, HasSubstr("--text"));
  expect_failure(
      run_program({"generate", "-m", kModel, "--prompt", "a", "--cache-type", "q9"}), 2,
      AllOf(HasSubstr("q2 to q8"), HasSubstr("\"q9\""))
  );
}

TEST(Program, RefusesToQuantizeACacheOfOddHeads) {
  ModelCopy model;
  model.set_config("head_dim", 80);

  for (const char* verb : {"generate", "inspect"}) {
    std::vector<std::string> arguments = {verb, model.path(), "--cache-type", "q4"};
    if (arguments[0] == "generate")
      arguments = {verb, "-m", model.path(), "--prompt", "a", "--cache-type", "q4"};
    expect_failure(run_program(arguments), 1, AllOf(HasSubstr("q4"), HasSubstr("80")));
  }
}

TEST(Program, NamesAModelDirectoryThatIsMissing) {
  for (const char* verb : {"chat", "generate", "perplexity", "bench"}) {
    std::vector<std::string> arguments = {verb, "-m", "/no/such/model"};
    if (arguments[0] == "generate") arguments.insert(arguments.end(), {"--prompt", "a"});
    if (arguments[0] == "perplexity") arguments.insert(arguments.end(), {"--text", "a"});
    expect_failure(run_program(arguments), 1, HasSubstr("/no/such/model"));
  }
  expect_failure(run_program({"inspect", "/no/such/model"}), 1, HasSubstr("/no/such/model"));
}

TEST(Program, NamesAnUnknownArchitecture) {
  ModelCopy model;
  model.set_config("architectures", {"ParrotForCausalLM"});
  model.set_config("model_type", "parrot");

  expect_failure(
      run_program({"generate", "-m", model.path(), "--prompt", "a"}), 1,
      AllOf(HasSubstr("config.json"), HasSubstr("ParrotForCausalLM"))
  );
  expect_failure(run_program({"inspect", model.path()}), 1, HasSubstr("ParrotForCausalLM"));
}

TEST(Program, NamesATruncatedFile) {
  ModelCopy model;
  model.truncate_weights(100'000);

  expect_failure(
      run_program({"generate", "-m", model.path(), "--prompt", "a"}), 1,
      HasSubstr("model.safetensors")
  );
}

TEST(Program, RefusesAPromptWithoutTokens) {
  expect_failure(
      run_program({"generate", "-m", kModel, "--prompt-ids="}), 1, HasSubstr("no tokens")
  );
}

TEST(Program, RefusesAPromptLongerThanTheContext) {
  const TemporaryDirectory directory;
  const auto file = directory.write("long.txt", std::string(1 << 20, 'a'));

  expect_failure(
      run_program({"generate", "-m", kModel, "--prompt-file", file.string()}), 1,
      HasSubstr("context of 512 tokens")
  );
}

TEST(Program, RefusesIdsOutsideTheVocabulary) {
  expect_failure(
      run_program({"generate", "-m", kModel, "--prompt-ids", "1,1024"}), 1, HasSubstr("1024")
  );
}

TEST(Program, RefusesSamplingParametersOutOfRange) {
  expect_failure(
      run_program({"generate", "-m", kModel, "--prompt", "a", "--top-p", "7"}), 1,
      HasSubstr("top_p")
  );
}

TEST(Generate, ReportsTokensAndTimings) {
  const Json document = document_of(run_program(
      {"generate", "-m", kModel, "--prompt", "Once upon a time", "--max-tokens", "5",
       "--ignore-eos", "--temperature", "0", "--logprobs", "2", "--json"}
  ));

  EXPECT_EQ(document["finish_reason"], "length");
  EXPECT_EQ(document["token_ids"].size(), 5U);
  EXPECT_EQ(document["timings"]["decode_tokens"], 5);
  EXPECT_EQ(document["timings"]["prompt_tokens"], document["prompt_ids"].size());
  EXPECT_GE(document["timings"]["prompt_s"].get<double>(), 0);
  EXPECT_GE(document["timings"]["decode_s"].get<double>(), 0);
  EXPECT_GT(document["timings"]["load_s"].get<double>(), 0);
  ASSERT_EQ(document["logprobs"].size(), 5U);
  for (size_t i = 0; i < 5; ++i) {
    const Json& entry = document["logprobs"][i];
    EXPECT_EQ(entry["token_id"], document["token_ids"][i]);
    ASSERT_EQ(entry["top"].size(), 2U);
    EXPECT_EQ(entry["top"][0]["token_id"], entry["token_id"]);  // greedy
    EXPECT_EQ(entry["top"][0]["logprob"], entry["logprob"]);
  }
}

TEST(Generate, PrintsTheSameTextWithAndWithoutJson) {
  const std::vector<std::string> arguments = {
      "generate", "-m", kModel, "--prompt", "The cat", "--max-tokens", "8", "--temperature", "0"
  };
  std::vector<std::string> with_json = arguments;
  with_json.emplace_back("--json");

  const ProgramResult plain = run_program(arguments);
  const Json document = document_of(run_program(with_json));

  EXPECT_EQ(plain.exit_code, 0);
  EXPECT_EQ(plain.out, document["text"].get<std::string>() + "\n");
  EXPECT_TRUE(document["logprobs"].is_null());
}

TEST(Generate, EmptyPromptIsTheBeginToken) {
  const Json document =
      document_of(run_program({"generate", "-m", kModel, "--prompt=", "--max-tokens", "1", "--json"}
      ));

  EXPECT_THAT(document["prompt_ids"].get<std::vector<int>>(), ElementsAre(0));
}

TEST(Generate, ChatReproducesTheGoldenAnswer) {
  const Json golden = read_json_file(kModel + "/golden_fp32.json")[1];
  const auto length = golden["greedy_ids"].size();

  const Json document = document_of(run_program(
      {"generate", "-m", kModel, "--chat", "--prompt", "What is the capital of France?",
       "--max-tokens", std::to_string(length), "--temperature", "0", "--activations", "fp32",
       "--cache-type", "fp32", "--json"}
  ));

  EXPECT_EQ(document["prompt_ids"], golden["prompt_ids"]);
  EXPECT_EQ(document["token_ids"], golden["greedy_ids"]);
}

TEST(Generate, SeedRepeatsAnAnswer) {
  const std::vector<std::string> arguments = {"generate", "-m",           kModel, "--prompt",
                                              "A",        "--max-tokens", "20",   "--temperature",
                                              "1.5",      "--seed",       "42",   "--json"};

  EXPECT_EQ(
      document_of(run_program(arguments))["token_ids"],
      document_of(run_program(arguments))["token_ids"]
  );
}

TEST(Inspect, ReportsLayersTensorsAndMemory) {
  const Json document = document_of(run_program({"inspect", kModel, "--context", "300", "--json"}));

  EXPECT_EQ(document["architecture"], "LlamaForCausalLM");
  ASSERT_EQ(document["layers"].size(), 4U);
  EXPECT_EQ(document["layers"][0]["bits_per_weight"], 16);
  EXPECT_EQ(document["layers"][0]["linears"].size(), 7U);
  EXPECT_EQ(document["layers"][0]["linears"][0]["format"], "F16");
  // Embedding, four layers of attention, MLP and two norms, and the last norm: config.json's sizes
  // multiplied out.
  EXPECT_EQ(
      document["parameters"],
      1024 * 128 + 4 * (2 * 128 * 128 + 2 * 128 * 64 + 3 * 128 * 384 + 2 * 128) + 128
  );
  EXPECT_EQ(document["memory"]["context_tokens"], 300);
  // Keys and values, 4 layers, 1 head of 64, fp16, two pages of 256.
  EXPECT_EQ(document["memory"]["cache_bytes"], 2 * 4 * 64 * 2 * 512);
  EXPECT_EQ(document["memory"]["cache_bytes_per_token"], 2 * 4 * 64 * 2);
}

TEST(Inspect, ReportsTheBytesOfAQuantizedCache) {
  const Json document = document_of(
      run_program({"inspect", kModel, "--context", "300", "--cache-type", "q8,3", "--json"})
  );

  // 4 layers, 1 head of two groups of 32: 8 words and a scale, 3 words and a scale.
  const int token = 4 * 2 * (8 * 4 + 2 + 3 * 4 + 2);
  EXPECT_EQ(document["memory"]["cache_bytes_per_token"], token);
  EXPECT_EQ(document["memory"]["cache_bytes"], token * 512);
}

TEST(Inspect, PrintsASummary) {
  const ProgramResult result = run_program({"inspect", kModel});

  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(
      result.out, AllOf(HasSubstr("LlamaForCausalLM"), HasSubstr("layer 3"), HasSubstr("Memory"))
  );
}

TEST(Quantize, WritesAModelThatGenerates) {
  const TemporaryDirectory directory;
  const std::string output = (directory.path() / "quantized").string();

  const Json report = document_of(
      run_program({"quantize", kModel, output, "--bits", "3", "--head-bits", "5", "--json"})
  );
  const Json inspected = document_of(run_program({"inspect", output, "--json"}));
  const Json answer = document_of(run_program(
      {"generate", "-m", output, "--prompt", "A", "--max-tokens", "4", "--ignore-eos", "--json"}
  ));

  EXPECT_EQ(report["bits_per_weight"], 3);
  EXPECT_EQ(report["linears"].size(), 4U * 7 + 1);
  EXPECT_GT(report["mean_relative_error"].get<double>(), 0);
  EXPECT_LT(report["mean_relative_error"].get<double>(), 0.05);
  EXPECT_EQ(inspected["layers"][3]["linears"][6]["bits"], 3);
  EXPECT_EQ(inspected["layers"][3]["linears"][6]["codebook"], "mul1");
  EXPECT_EQ(inspected["head"]["bits"], 5);
  EXPECT_EQ(answer["token_ids"].size(), 4U);
  EXPECT_FALSE(std::filesystem::exists(output + ".partial"));
}

TEST(Quantize, RefusesAnOutputThatExists) {
  const TemporaryDirectory directory;
  directory.write("something", "here");

  expect_failure(
      run_program({"quantize", kModel, directory.path().string()}), 1, HasSubstr("already exists")
  );
}

TEST(Perplexity, OfAModelBesideItself) {
  const TemporaryDirectory directory;
  std::string text;
  for (int i = 0; i < 40; ++i) text += "The cat sat on the mat and looked at the moon. ";
  const auto file = directory.write("text.txt", text);

  const Json document = document_of(run_program(
      {"perplexity", "-m", kModel, "--text", file.string(), "--rows", "3", "--row-tokens", "64",
       "--compare", kModel, "--json"}
  ));

  EXPECT_EQ(document["tokens"], 3 * 63);
  EXPECT_GT(document["perplexity"].get<double>(), 1);
  EXPECT_NEAR(document["compare"]["kl_divergence"].get<double>(), 0, 1e-9);
  EXPECT_EQ(document["compare"]["top1_agreement"], 1);
  EXPECT_EQ(document["compare"]["perplexity"], document["perplexity"]);
}

TEST(Perplexity, TellsWhatAQuantizedCacheLoses) {
  const TemporaryDirectory directory;
  std::string text;
  for (int i = 0; i < 40; ++i) text += "The cat sat on the mat and looked at the moon. ";
  const auto file = directory.write("text.txt", text);
  const auto divergence = [&](const std::string& type) {
    const Json document = document_of(run_program(
        {"perplexity", "-m", kModel, "--text", file.string(), "--rows", "2", "--row-tokens", "64",
         "--compare", kModel, "--cache-type", type, "--json"}
    ));
    EXPECT_EQ(document["cache_type"], type);
    return document["compare"]["kl_divergence"].get<double>();
  };

  const double of_eight_bits = divergence("q8");
  const double of_two_bits = divergence("q2");

  EXPECT_GT(of_eight_bits, 0);
  EXPECT_GT(of_two_bits, 10 * of_eight_bits);
}

TEST(Perplexity, RefusesATextShorterThanARow) {
  const TemporaryDirectory directory;
  const auto file = directory.write("text.txt", "Too short.");

  expect_failure(
      run_program({"perplexity", "-m", kModel, "--text", file.string()}), 1,
      AllOf(HasSubstr("text.txt"), HasSubstr("512"))
  );
}

TEST(Bench, ReportsItsFields) {
  const Json document = document_of(run_program(
      {"bench", "-m", kModel, "--prompt", "16", "--generate", "4", "--batch", "2", "--threads", "1",
       "--json"}
  ));

  for (const char* key :
       {"decode_tokens_per_s", "prompt_tokens_per_s", "weight_gb_per_s", "bandwidth_gb_per_s",
        "bandwidth_share"}) {
    EXPECT_GT(document[key].get<double>(), 0) << key;
  }
  EXPECT_EQ(document["threads"], 1);
  EXPECT_TRUE(document["isa"].is_string());
}

TEST(Chat, AnswersTheSamplePromptWhenNobodyAsks) {
  const ProgramResult result = run_program({"chat", "-m", kModel, "--max-tokens", "12"});

  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(StartsWith("> What is"), HasSubstr("tokens/s")));
}

TEST(Chat, AnswersEachLineAndKnowsItsCommands) {
  const TemporaryDirectory directory;
  const std::string saved = (directory.path() / "chat.json").string();

  const ProgramResult result = run_program(
      {"chat", "-m", kModel, "--max-tokens", "6", "--seed", "1"},
      "Hello!\n/retry\n/system Be brief.\nAnd you?\n/stats\n/save " + saved + "\n/dance\n"
  );

  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("context"), HasSubstr("/dance")));
  EXPECT_THAT(result.out, Not(HasSubstr("> What is")));
  const Json messages = read_json_file(saved)["messages"];
  ASSERT_EQ(messages.size(), 5U);
  EXPECT_EQ(messages[0]["content"], "Be brief.");
  EXPECT_EQ(messages[1]["content"], "Hello!");
  EXPECT_EQ(messages[2]["role"], "assistant");
  EXPECT_EQ(messages[3]["content"], "And you?");
}

}  // namespace
}  // namespace trellis
