#include "checkpoint/tokenizer_config.h"

#include "base/error_matchers.h"
#include "base/temporary_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trellis {
namespace {

using ::testing::HasSubstr;

TokenizerConfig parse(const char* text) {
  return parse_tokenizer_config(Json::parse(text), "t");
}

TEST(TokenizerConfig, IsEmptyWithoutFiles) {
  const TemporaryDirectory directory;

  const TokenizerConfig config = read_tokenizer_config(directory.path());

  EXPECT_EQ(config.bos_token, std::nullopt);
  EXPECT_EQ(config.add_bos_token, std::nullopt);
  EXPECT_EQ(config.chat_template, std::nullopt);
}

TEST(TokenizerConfig, TakesTokensAsStringsOrObjects) {
  const TokenizerConfig config = parse(
      R"({"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": false},
          "unk_token": null, "add_bos_token": true})"
  );

  EXPECT_EQ(config.bos_token, "<s>");
  EXPECT_EQ(config.eos_token, "</s>");
  EXPECT_EQ(config.unk_token, std::nullopt);
  EXPECT_EQ(config.pad_token, std::nullopt);
  EXPECT_EQ(config.add_bos_token, true);
}

TEST(TokenizerConfig, FillsInTokensFromTheSpecialTokensMap) {
  const TemporaryDirectory directory;
  directory.write("tokenizer_config.json", R"({"bos_token": "<a>"})");
  directory.write(
      "special_tokens_map.json", R"({"bos_token": "<b>", "eos_token": {"content": "<c>"}})"
  );

  const TokenizerConfig config = read_tokenizer_config(directory.path());

  EXPECT_EQ(config.bos_token, "<a>");
  EXPECT_EQ(config.eos_token, "<c>");
}

TEST(TokenizerConfig, PrefersTheTemplatesOwnFile) {
  const TemporaryDirectory directory;
  directory.write("chat_template.json", R"({"chat_template": "third"})");
  EXPECT_EQ(read_tokenizer_config(directory.path()).chat_template, "third");

  directory.write("tokenizer_config.json", R"({"chat_template": "second"})");
  EXPECT_EQ(read_tokenizer_config(directory.path()).chat_template, "second");

  directory.write("chat_template.jinja", "{{ first }}\n");
  EXPECT_EQ(read_tokenizer_config(directory.path()).chat_template, "{{ first }}\n");
}

TEST(TokenizerConfig, TakesTheDefaultOfSeveralTemplates) {
  EXPECT_EQ(
      parse(R"({"chat_template": [{"name": "tool_use", "template": "t"},
                                  {"name": "default", "template": "d"}]})")
          .chat_template,
      "d"
  );
  EXPECT_EQ(
      parse(R"({"chat_template": [{"name": "rag", "template": "r"}]})").chat_template, std::nullopt
  );
}

struct BadTokenizer {
  const char* text;
  const char* message;
};

class BadTokenizerConfig : public ::testing::TestWithParam<BadTokenizer> {};

TEST_P(BadTokenizerConfig, IsRefusedByKeyPath) {
  EXPECT_USER_ERROR(parse(GetParam().text), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    TokenizerConfig, BadTokenizerConfig,
    ::testing::Values(
        BadTokenizer{"7", "t: the document must be an object"},
        BadTokenizer{R"({"bos_token": 1})", "bos_token must be an object"},
        BadTokenizer{R"({"eos_token": {}})", "t: eos_token.content is missing"},
        BadTokenizer{R"({"eos_token": {"content": 5}})", "t: eos_token.content must be a string"},
        BadTokenizer{R"({"add_bos_token": "true"})", "t: add_bos_token must be true or false"},
        BadTokenizer{R"({"chat_template": {}})", "t: chat_template must be a string"},
        BadTokenizer{R"({"chat_template": ["x"]})", "chat_template[0] must be an object"},
        BadTokenizer{R"({"chat_template": [{}]})", "t: chat_template[0].name is missing"},
        BadTokenizer{
            R"({"chat_template": [{"name": "default"}]})", "t: chat_template[0].template is missing"
        }
    )
);

TEST(TokenizerConfig, NamesTheFileThatIsBroken) {
  const TemporaryDirectory directory;
  directory.write("tokenizer_config.json", "{");

  EXPECT_USER_ERROR(
      read_tokenizer_config(directory.path()), HasSubstr("tokenizer_config.json: not valid JSON")
  );
}

TEST(TokenizerConfig, RefusesAnEndlessTemplate) {
  const TemporaryDirectory directory;
  directory.write("chat_template.jinja", std::string((4u << 20) + 1, 'x'));

  EXPECT_USER_ERROR(read_tokenizer_config(directory.path()), HasSubstr("too large"));
}

}  // namespace
}  // namespace trellis
