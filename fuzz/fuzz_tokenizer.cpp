// Any text as a tokenizer.json: either a UserError, or a tokenizer that can be asked.
#include "base/error.h"
#include "require.h"
#include "text/tokenizer.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

using trellis::require;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto tokenizer =
        trellis::Tokenizer::from_json({reinterpret_cast<const char*>(data), size}, "fuzz");
    const std::vector<int32_t> ids = tokenizer->encode("Hello <s>w\u00f6rld</s> 42", true);
    for (const int32_t id : ids) require(id >= 0, "ids are not negative");
    static_cast<void>(tokenizer->decode(ids, false));
    static_cast<void>(tokenizer->decode(std::array<int32_t, 3>{-1, 0, INT32_MAX}, true));
    static_cast<void>(tokenizer->token_to_id("<s>"));
    static_cast<void>(tokenizer->id_to_token(1));
    require(tokenizer->vocab_size() >= 0, "a vocabulary has a size");
  } catch (const trellis::UserError&) {
    return 0;
  }
  return 0;
}
