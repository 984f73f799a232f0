// Flags, prompts and texts that the program refuses: the exit code and the sentence that says why.
#include "apps/model_copy.h"
#include "apps/run_program.h"

#include <gtest/gtest.h>

namespace trellis {
namespace {

using testing::AllOf;
using testing::HasSubstr;

struct WrongUsage {
  const char* name;
  std::vector<std::string> arguments;  // behind them comes "-m MODEL" where they begin a generate
  int code;
  std::vector<const char*> message;  // what it must contain
};

class RefusedUsage : public testing::TestWithParam<WrongUsage> {};

TEST_P(RefusedUsage, SaysWhatWasExpected) {
  std::vector<std::string> arguments = GetParam().arguments;
  if (!arguments.empty() && arguments[0] == "generate") {
    arguments.insert(arguments.end(), {"-m", kTinyModel});
  }

  const ProgramResult result = run_program(arguments);

  for (const char* part : GetParam().message) {
    expect_failure(result, GetParam().code, HasSubstr(part));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Program, RefusedUsage,
    testing::Values(
        WrongUsage{"NoVerb", {}, 2, {"the verbs are chat, generate, serve"}},
        WrongUsage{"UnknownVerb", {"sing"}, 2, {"there is no verb \"sing\"", "the verbs are chat"}},
        WrongUsage{"OptionForVerb", {"--sing"}, 2, {"unknown option --sing", "the verbs are chat"}},
        WrongUsage{"NoModel", {"perplexity", "--text", "a"}, 2, {"--model is required"}},
        WrongUsage{"NoText", {"perplexity", "-m", "a"}, 2, {"--text", "perplexity --help"}},
        WrongUsage{"NeitherModelNorShape", {"bench"}, 2, {"--model", "--shape"}},
        WrongUsage{"UnknownShape", {"bench", "--shape", "llama-9"}, 2, {"llama-3.2-1b", "llama-9"}},
        WrongUsage{"BitsOfAModel", {"bench", "-m", "a", "--bits", "3"}, 2, {"--bits", "--shape"}},
        WrongUsage{"ZeroBits", {"quantize", "a", "b", "--bits", "0"}, 2, {"from 1 to 8"}},
        WrongUsage{"NineBits", {"quantize", "a", "b", "--bits", "9"}, 2, {"from 1 to 8"}},
        WrongUsage{"NotANumberOfBits", {"quantize", "a", "b", "--bits", "nan"}, 2, {"--bits"}},
        WrongUsage{"NineHeadBits", {"quantize", "a", "b", "--head-bits", "9"}, 2, {"8, 16, found"}},
        WrongUsage{"UnknownCodebook", {"quantize", "a", "b", "--codebook", "x"}, 2, {"3inst, mcg"}},
        WrongUsage{"NoPrompt", {"generate"}, 2, {"--prompt, --prompt-file and --prompt-ids"}},
        WrongUsage{
            "TwoPrompts", {"generate", "--prompt", "a", "--prompt-ids", "1"}, 2, {"give one of"}
        },
        WrongUsage{
            "UnknownOption", {"generate", "--prompt", "a", "-n", "3"}, 2, {"unknown option -n"}
        },
        WrongUsage{
            "TwoGrammars",
            {"generate", "--prompt", "a", "--regex", "a", "--choice", "b"},
            2,
            {"only one of --json-schema, --regex"}
        },
        WrongUsage{
            "PatternThatDoesNotCompile",
            {"generate", "--prompt", "a", "--regex", "(a"},
            1,
            {"the regex cannot be used"}
        },
        WrongUsage{
            "MissingSchema",
            {"generate", "--prompt", "a", "--json-schema", "no-such-schema.json"},
            1,
            {"no-such-schema.json"}
        },
        WrongUsage{"ExtraArgument", {"generate", "a"}, 2, {"unexpected argument \"a\""}},
        WrongUsage{
            "DeviceOfTheCpu",
            {"generate", "--prompt", "a", "--backend", "cpu", "--device", "1"},
            1,
            {"the cpu backend has no device 1"}
        },
        WrongUsage{
            "UnknownBackend",
            {"generate", "--prompt", "a", "--backend", "abacus"},
            2,
            {"auto, cuda, cpu, reference", "\"abacus\""}
        },
        WrongUsage{
            "UnknownCacheType",
            {"generate", "--prompt", "a", "--cache-type", "q9"},
            2,
            {"q2 to q8", "\"q9\""}
        },
        WrongUsage{
            "LogprobsWithoutJson",
            {"generate", "--prompt", "a", "--logprobs", "3"},
            2,
            {"--logprobs requires --json"}
        },
        WrongUsage{
            "LogitBiasOfOneWord", {"generate", "--prompt", "a", "--logit-bias", "x"}, 2, {"ID=BIAS"}
        },
        WrongUsage{
            "UnknownSamplerInTheOrder",
            {"generate", "--prompt", "a", "--sampler-order", "top_k,heat"},
            2,
            {"--sampler-order", "temperature", "\"top_k,heat\""}
        },
        WrongUsage{
            "SamplerTwiceInTheOrder",
            {"generate", "--prompt", "a", "--sampler-order", "top_k,top_k"},
            1,
            {"sampler_order names top_k twice"}
        },
        WrongUsage{
            "NoTokens",
            {"generate", "--prompt", "a", "--max-tokens", "0"},
            2,
            {"at least 1", "\"0\""}
        },
        WrongUsage{
            "FractionOfATopK",
            {"generate", "--prompt", "a", "--top-k", "1.5"},
            2,
            {"a whole number"}
        },
        WrongUsage{"NegativeSeed", {"generate", "--prompt", "a", "--seed", "-1"}, 2, {"2^64 - 1"}},
        WrongUsage{
            "SeedThatIsTooLarge",
            {"generate", "--prompt", "a", "--seed", "18446744073709551616"},
            2,
            {"2^64 - 1"}
        },
        WrongUsage{
            "SystemMessageWithoutChat",
            {"generate", "--prompt", "a", "--system", "b"},
            2,
            {"--chat only"}
        },
        WrongUsage{
            "NotANumberAsTemperature",
            {"generate", "--prompt", "a", "--temperature", "nan"},
            1,
            {"temperature must be", "nan"}
        },
        WrongUsage{
            "TopPAboveOne", {"generate", "--prompt", "a", "--top-p", "2"}, 1, {"top_p must be", "2"}
        },
        WrongUsage{"NoPromptIds", {"generate", "--prompt-ids="}, 1, {"no tokens"}},
        WrongUsage{"NegativeId", {"generate", "--prompt-ids", "1,-2"}, 1, {"-2", "1024 tokens"}},
        WrongUsage{"IdPastTheLast", {"generate", "--prompt-ids", "1,1024"}, 1, {"id 1024", "1024"}},
        WrongUsage{"HugeId", {"generate", "--prompt-ids", "1,99999999999"}, 1, {"too large"}},
        WrongUsage{"GapBetweenIds", {"generate", "--prompt-ids", "1,,2"}, 1, {"\"1,,2\""}},
        WrongUsage{"PromptNotUtf8", {"generate", "--prompt", "ab\xff"}, 1, {"--prompt", "byte 2"}},
        WrongUsage{"NoPromptFile", {"generate", "--prompt-file", "/no/file"}, 1, {"/no/file"}},
        WrongUsage{"FolderAsPromptFile", {"generate", "--prompt-file", "/"}, 1, {"as a file"}},
        WrongUsage{
            "ContextAboveTheModels",
            {"generate", "--prompt", "a", "--context", "513"},
            1,
            {"at most 512 tokens", "max_position_embeddings", "config.json"}
        }
    ),
    [](const auto& info) { return std::string(info.param.name); }
);

TEST(PromptLongerThanTheContext, IsRefusedWithFiguresAndRemedy) {
  const TemporaryDirectory directory;
  const std::string file = directory.write("long.txt", std::string(1 << 20, 'a')).string();

  const ProgramResult whole = run_program({"generate", "-m", kTinyModel, "--prompt-file", file});
  const ProgramResult part = run_program(
      {"generate", "-m", kTinyModel, "--prompt", "one two three four", "--context", "4", "--json"}
  );

  expect_failure(
      whole, 1, AllOf(HasSubstr("context of 512 tokens"), HasSubstr("takes 512 tokens at most"))
  );
  expect_failure(
      part, 1, AllOf(HasSubstr("context of 4 tokens"), HasSubstr("--context of up to 512"))
  );
}

TEST(MemoryForTheContext, IsRefusedWithFigures) {
  const ModelCopy model;
  model.set_config("max_position_embeddings", 1'000'000'000);

  const ProgramResult result =
      run_program({"generate", "-m", model.path(), "--prompt", "a", "--context", "1000000000"});

  // Keys and values of 4 layers, 64 halves each: 1 KiB for each token.
  expect_failure(
      result, 1,
      AllOf(HasSubstr("1000000000 tokens in fp16 953.67 GiB"), HasSubstr("these fit: --context"))
  );
}

TEST(ConversationFile, IsRefusedByTheLineThatIsWrong) {
  const TemporaryDirectory directory;
  const std::string good = R"({"messages": [{"role": "user", "content": "Hello"}]})";
  const auto failure_of = [&](const std::string& line) {
    const auto file = directory.write("chat.jsonl", good + "\n\n" + line + "\n");
    return run_program({"perplexity", "-m", kTinyModel, "--chat", file.string(), "--json"});
  };

  expect_failure(
      failure_of("{\"messages\": [{"), 1,
      AllOf(HasSubstr("chat.jsonl: line 3"), HasSubstr("not valid JSON"))
  );
  expect_failure(failure_of(R"({"words": 1})"), 1, HasSubstr("chat.jsonl: line 3: expected"));
  expect_failure(
      failure_of(R"({"messages": [{"role": 5}]})"), 1, HasSubstr("line 3: the chat temp")
  );
}

TEST(PerplexityText, IsRefusedWhereItIsNotUtf8OrTooShort) {
  const TemporaryDirectory directory;
  const auto failure_of = [&](std::string_view text) {
    const auto file = directory.write("text.txt", text);
    return run_program({"perplexity", "-m", kTinyModel, "--text", file.string()});
  };

  expect_failure(failure_of("abc\xff"), 1, HasSubstr("text.txt: not valid UTF-8 at byte 3"));
  expect_failure(failure_of(""), 1, HasSubstr("text.txt: 0 tokens are fewer than one row of 512"));
}

TEST(PerplexityReference, IsRefusedWhenItsTokensAreOthers) {
  const TemporaryDirectory directory;
  const std::string text = directory.write("text.txt", std::string(4000, 'a')).string();
  const ModelCopy other;
  std::string tokenizer = read_json_file(other.file("tokenizer.json")).dump();
  for (size_t at = 0; (at = tokenizer.find("<|im_start|>", at)) != std::string::npos;) {
    tokenizer.replace(at, 12, "<|im_stark|>");  // as an added token and in the vocabulary
  }
  other.write("tokenizer.json", tokenizer);
  const auto compare = [&](const std::string& reference) {
    return run_program({"perplexity", "-m", kTinyModel, "--text", text, "--compare", reference});
  };

  expect_failure(compare(kBundledModel), 1, AllOf(HasSubstr("8192"), HasSubstr("1024")));
  expect_failure(compare(other.path()), 1, HasSubstr("<|im_stark|>"));
}

}  // namespace
}  // namespace trellis
