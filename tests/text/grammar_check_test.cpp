// Grammars that can and cannot be compiled.
#include "text/grammar_check.h"

#include "base/error.h"
#include "text/tokenizer_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trellis {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

class GrammarCheck : public testing::Test {
 protected:
  static void SetUpTestSuite() { tokenizer_ = committed_tokenizer("gpt2"); }
  static void TearDownTestSuite() { tokenizer_.reset(); }

  static std::unique_ptr<Tokenizer> tokenizer_;
};

std::unique_ptr<Tokenizer> GrammarCheck::tokenizer_;

TEST_F(GrammarCheck, AcceptsWhatCompiles) {
  EXPECT_NO_THROW(check_grammar(*tokenizer_, GrammarKind::kJsonSchema, R"({"type": "object"})"));
  EXPECT_NO_THROW(check_grammar(*tokenizer_, GrammarKind::kRegex, "[a-z]+@[a-z]+"));
  EXPECT_NO_THROW(check_grammar(*tokenizer_, GrammarKind::kLark, "start: \"yes\" | \"no\""));
}

TEST_F(GrammarCheck, RefusesASchemaThatIsNotJson) {
  EXPECT_THROW(check_grammar(*tokenizer_, GrammarKind::kJsonSchema, "{"), UserError);
  EXPECT_THROW(check_grammar(*tokenizer_, GrammarKind::kJsonSchema, ""), UserError);
}

TEST_F(GrammarCheck, RefusesASchemaOfAnUnknownType) {
  EXPECT_THAT(
      [] { check_grammar(*tokenizer_, GrammarKind::kJsonSchema, R"({"type": "thing"})"); },
      ThrowsMessage<UserError>(HasSubstr("json_schema"))
  );
}

TEST_F(GrammarCheck, RefusesAPatternThatDoesNotCompile) {
  EXPECT_THROW(check_grammar(*tokenizer_, GrammarKind::kRegex, "(a"), UserError);
}

TEST_F(GrammarCheck, RefusesALarkRuleThatDoesNotExist) {
  EXPECT_THAT(
      [] { check_grammar(*tokenizer_, GrammarKind::kLark, "start: missing"); },
      ThrowsMessage<UserError>(HasSubstr("missing"))
  );
}

TEST_F(GrammarCheck, RefusesAGrammarBeyondItsLimit) {
  EXPECT_THAT(
      [] { check_grammar(*tokenizer_, GrammarKind::kRegex, std::string((1 << 20) + 1, 'a')); },
      ThrowsMessage<UserError>(HasSubstr("limit"))
  );
}

}  // namespace
}  // namespace trellis
