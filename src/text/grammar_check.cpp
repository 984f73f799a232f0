#include "text/grammar_check.h"

#include "base/error.h"
#include "text/rust_results.h"

namespace trellis {
namespace {

std::string_view kind_name(GrammarKind kind) {
  switch (kind) {
    case GrammarKind::kJsonSchema:
      return "json_schema";
    case GrammarKind::kRegex:
      return "regex";
    case GrammarKind::kLark:
      return "lark";
  }
  return "";
}

}  // namespace

void check_grammar(const Tokenizer& tokenizer, GrammarKind kind, std::string_view grammar) {
  const std::string_view name = kind_name(kind);
  RustBytes error;
  const int status = trellis_text_grammar_check(
      tokenizer.handle(), rust_data(name), name.size(), rust_data(grammar), grammar.size(),
      error.out()
  );
  if (status != kTrellisTextOk) throw UserError("{}: {}", name, error.to_string());
}

}  // namespace trellis
