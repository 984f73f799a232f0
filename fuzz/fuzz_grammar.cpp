// Any text as a grammar of any kind: either a UserError, or a matcher whose masks and forced tokens
// it then takes itself. The first byte of the input is the kind, the second steers the choices.
#include "base/error.h"
#include "require.h"
#include "text/grammar.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

using trellis::require;

namespace {

constexpr int kMaxTokens = 20;

const trellis::Tokenizer& tokenizer() {
  static const std::unique_ptr<trellis::Tokenizer> loaded =
      trellis::Tokenizer::from_file(TRELLIS_SOURCE_DIR "/tests/data/models/tiny-1m/tokenizer.json");
  return *loaded;
}

/// The first allowed token from `start` on, in a circle; -1 where there is none.
int32_t pick(const trellis::TokenMask& mask, int32_t start) {
  const auto size = static_cast<int32_t>(mask.size());
  for (int32_t i = 0; i < size; ++i) {
    if (mask.allows((start + i) % size)) return (start + i) % size;
  }
  return -1;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const trellis::Grammar grammar{
      static_cast<trellis::GrammarKind>(data[0] % 5),
      std::string(reinterpret_cast<const char*>(data) + 2, size - 2)
  };
  try {
    const trellis::CompiledGrammar compiled(tokenizer(), grammar);
    const auto matcher = compiled.matcher->clone();
    trellis::TokenMask mask = compiled.mask;
    bool may_end = compiled.may_end;
    for (int i = 0; i < kMaxTokens && !matcher->is_over(); ++i) {
      const int32_t token = pick(mask, data[1] * (i + 1));
      require(token >= 0 || may_end, "what may not end goes on");
      if (token < 0) break;
      matcher->accept(std::vector{token});
      may_end = matcher->allowed(mask);
    }
  } catch (const trellis::UserError&) {
    return 0;
  }
  return 0;
}
