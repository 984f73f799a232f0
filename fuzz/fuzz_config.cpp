// Any text as each of the JSON files of a model directory: either a UserError, or values that can
// be used.
#include "base/error.h"
#include "checkpoint/generation_config.h"
#include "checkpoint/model_config.h"
#include "checkpoint/tokenizer_config.h"
#include "require.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

using trellis::Json;
using trellis::require;

namespace {

void check_model(const Json& document) {
  const trellis::ModelConfig config = trellis::parse_model_config(document, "fuzz");
  require(config.num_hidden_layers > 0, "a model has layers");
  require(
      config.layer_windows.size() == static_cast<size_t>(config.num_hidden_layers),
      "every layer has a window"
  );
  for (const int window : config.layer_windows) require(window >= 0, "no window is negative");
  require(config.num_key_value_heads > 0, "a model has key heads");
  require(
      config.num_attention_heads % config.num_key_value_heads == 0, "key heads are shared evenly"
  );
  require(config.head_dim > 0 && config.head_dim % 2 == 0, "heads turn in pairs");
  require(config.vocab_size > 0 && config.hidden_size > 0, "sizes are positive");
  require(std::isfinite(config.rope.theta) && config.rope.theta > 1.0, "theta has powers");
  require(config.rope.factor >= 1.0, "a context is not shrunk");
  for (const int32_t id : config.eos_token_ids) require(id >= 0, "ids are not negative");
}

void check_generation(const Json& document) {
  const auto sampling = trellis::parse_generation_config(document, "fuzz").sampling;
  require(sampling.temperature >= 0.0f && sampling.top_k >= 0, "sampling is possible");
  require(sampling.top_p > 0.0f && sampling.top_p <= 1.0f, "top_p is a probability");
  require(sampling.min_p >= 0.0f && sampling.min_p <= 1.0f, "min_p is a probability");
  require(sampling.repetition_penalty > 0.0f, "a penalty can divide");
}

void check_tokenizer(const Json& document) {
  static_cast<void>(trellis::parse_tokenizer_config(document, "fuzz"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Json document;
  try {
    document = trellis::parse_json(text, "fuzz");
  } catch (const trellis::UserError&) {
    return 0;
  }
  for (const auto check : {check_model, check_generation, check_tokenizer}) {
    try {
      check(document);
    } catch (const trellis::UserError&) {
      // A message is all that a wrong file may cause; the other readers still get their turn.
      continue;
    }
  }
  return 0;
}
