// The built program as a user meets it: exit codes, one-line messages, and the fields of --json.
#include "apps/model_copy.h"
#include "apps/run_program.h"
#include "base/json.h"
#include "base/temporary_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trellis {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

const std::string kModel = kTinyModel;

TEST(Program, HelpIsThereForEveryVerb) {
  EXPECT_THAT(run_program({"--help"}).out, HasSubstr("perplexity"));
  for (const char* verb :
       {"chat", "generate", "serve", "inspect", "quantize", "perplexity", "bench", "devices",
        "gpu-check"}) {
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

TEST(Generate, EndsAtAGivenStopToken) {
  const std::vector<std::string> command = {
      "generate",          "-m", kModel,         "--prompt",      "Once upon a time",
      "--max-tokens",      "6",  "--ignore-eos", "--temperature", "0",
      "--no-repeat-ngram", "1",  "--json"
  };
  const Json whole = document_of(run_program(command));
  std::vector<std::string> stopping = command;
  stopping.insert(stopping.end(), {"--stop-token", whole["token_ids"][3].dump()});

  const Json stopped = document_of(run_program(stopping));

  EXPECT_EQ(stopped["finish_reason"], "stop");
  EXPECT_EQ(stopped["token_ids"].size(), 4U);
}

TEST(Generate, TakesEverySamplingOption) {
  const std::vector<std::string> command = {
      "generate",
      "-m",
      kModel,
      "--prompt",
      "Once upon a time",
      "--max-tokens",
      "20",
      "--temperature",
      "1.2",
      "--temperature-range",
      "0.4",
      "--temperature-exponent",
      "1.5",
      "--top-n-sigma",
      "3",
      "--top-k",
      "200",
      "--typical-p",
      "0.95",
      "--top-p",
      "0.98",
      "--min-p",
      "0.001",
      "--xtc-probability",
      "0.3",
      "--xtc-threshold",
      "0.1",
      "--mirostat-tau",
      "5",
      "--mirostat-eta",
      "0.2",
      "--repetition-penalty",
      "1.1",
      "--presence-penalty",
      "0.1",
      "--frequency-penalty",
      "0.1",
      "--penalty-range",
      "32",
      "--penalty-decay",
      "32",
      "--dry-multiplier",
      "0.8",
      "--dry-base",
      "1.5",
      "--dry-allowed-length",
      "3",
      "--dry-range",
      "64",
      "--dry-breaker",
      ".",
      "--dry-breaker",
      "\n",
      "--no-repeat-ngram",
      "4",
      "--ban-token",
      "7",
      "--ban-token",
      "8",
      "--logit-bias",
      "9=-1",
      "--sampler-order",
      "min_p,temperature",
      "--seed",
      "3",
      "--ignore-eos",
      "--json"
  };

  const Json first = document_of(run_program(command));
  const Json again = document_of(run_program(command));

  EXPECT_EQ(first["token_ids"].size(), 20U);
  EXPECT_EQ(first["token_ids"], again["token_ids"]);
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

std::string constrained_text(const std::vector<std::string>& options) {
  std::vector<std::string> command = {"generate",     "-m",  kModel,          "--prompt", "Once",
                                      "--max-tokens", "100", "--temperature", "1.5",      "--json"};
  command.insert(command.end(), options.begin(), options.end());
  const Json document = document_of(run_program(command));
  EXPECT_EQ(document["finish_reason"], "stop");
  return document["text"];
}

TEST(Generate, KeepsToASchemaAPatternAListOrAGrammar) {
  const TemporaryDirectory directory;
  directory.write(
      "schema.json", R"({"type": "array", "items": {"type": "boolean"}, "maxItems": 3})"
  );
  directory.write("numbers.lark", "start: NUMBER (\", \" NUMBER)~2\nNUMBER: /[0-9]/");

  EXPECT_TRUE(Json::parse(
                  constrained_text({"--json-schema", R"({"enum": [1, "two", null]})"}), nullptr,
                  false
  )
                  .is_primitive());
  EXPECT_TRUE(Json::parse(
                  constrained_text({"--json-schema", directory.path() / "schema.json"}), nullptr,
                  false
  )
                  .is_array());
  EXPECT_THAT(constrained_text({"--regex", "[a-c]{4}"}), testing::MatchesRegex("[a-c]{4}"));
  EXPECT_THAT(
      constrained_text({"--choice", "red", "--choice", "dark blue"}),
      testing::AnyOf("red", "dark blue")
  );
  EXPECT_THAT(
      constrained_text({"--grammar", directory.path() / "numbers.lark"}),
      testing::MatchesRegex("[0-9], [0-9], [0-9]")
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

TEST(Bench, DecodesBehindAContextOfItsOwn) {
  const Json document = document_of(run_program(
      {"bench", "-m", kModel, "--prompt", "16", "--context", "40", "--generate", "4", "--threads",
       "1", "--json"}
  ));

  EXPECT_EQ(document["prompt"], 16);
  EXPECT_EQ(document["context"], 40);
  EXPECT_GT(document["decode_tokens_per_s"].get<double>(), 0);
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
