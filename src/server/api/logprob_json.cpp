#include "server/api/logprob_json.h"

#include "server/api/value.h"
#include "text/utf8_buffer.h"

#include <algorithm>
#include <array>

namespace trellis::server {
namespace {

/// JSON has no infinity; this is OpenAI's word for "not among the possible ones".
constexpr float kLowestLogprob = -9999.0f;

float finite(float logprob) {
  return std::max(logprob, kLowestLogprob);
}

std::string valid_utf8(const std::string& bytes) {
  Utf8Buffer buffer;
  std::string text = buffer.push(bytes);
  return text + buffer.flush();
}

OrderedJson token_entry(const Tokenizer& tokenizer, int32_t id, float logprob) {
  const std::string bytes = token_bytes(tokenizer, id);
  OrderedJson entry = {{"token", valid_utf8(bytes)}, {"logprob", finite(logprob)}};
  entry["bytes"] = OrderedJson::array();
  for (const char byte : bytes) entry["bytes"].push_back(static_cast<unsigned char>(byte));
  return entry;
}

}  // namespace

std::string token_bytes(const Tokenizer& tokenizer, int32_t id) {
  if (tokenizer.piece_decoding().by_piece) {
    return tokenizer.piece(id, false, false).value_or("");
  }
  const std::array<int32_t, 1> ids = {id};
  return tokenizer.decode(ids, false);
}

OrderedJson chat_logprobs(const Tokenizer& tokenizer, std::span<const TokenLogprob> logprobs) {
  OrderedJson content = OrderedJson::array();
  for (const TokenLogprob& token : logprobs) {
    OrderedJson entry = token_entry(tokenizer, token.token_id, token.logprob);
    entry["top_logprobs"] = OrderedJson::array();
    for (const auto& [id, logprob] : token.top) {
      entry["top_logprobs"].push_back(token_entry(tokenizer, id, logprob));
    }
    content.push_back(std::move(entry));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

OrderedJson prompt_logprobs_json(
    const Tokenizer& tokenizer, std::span<const TokenLogprob> logprobs
) {
  OrderedJson list = OrderedJson::array({nullptr});
  for (const TokenLogprob& token : logprobs) {
    OrderedJson entry = OrderedJson::object();
    const auto add = [&](int32_t id, float logprob) {
      entry[std::to_string(id)] = {
          {"logprob", finite(logprob)}, {"decoded_token", valid_utf8(token_bytes(tokenizer, id))}
      };
    };
    add(token.token_id, token.logprob);
    for (const auto& [id, logprob] : token.top) add(id, logprob);
    list.push_back(std::move(entry));
  }
  return list;
}

OrderedJson echo_logprobs(
    const Tokenizer& tokenizer, int32_t first_token, std::span<const TokenLogprob> logprobs,
    const std::string& echo
) {
  const TokenLogprob first{first_token, 0.0f, {}};
  int64_t offset = 0;
  OrderedJson result = completion_logprobs(tokenizer, std::span(&first, 1), offset);
  result["token_logprobs"][0] = nullptr;
  result["top_logprobs"][0] = nullptr;
  const OrderedJson rest = completion_logprobs(tokenizer, logprobs, offset);
  for (const char* key : {"tokens", "token_logprobs", "top_logprobs"}) {
    for (const OrderedJson& value : rest[key]) result[key].push_back(value);
  }
  result["text_offset"] = OrderedJson::array();
  std::string_view behind = echo;
  size_t characters = 0;
  const auto place = [&](int32_t id) {
    result["text_offset"].push_back(characters);
    const std::string bytes = token_bytes(tokenizer, id);
    if (!behind.starts_with(bytes)) return;
    behind.remove_prefix(bytes.size());
    characters += num_characters(bytes);
  };
  place(first_token);
  for (const TokenLogprob& token : logprobs) place(token.token_id);
  return result;
}

OrderedJson completion_logprobs(
    const Tokenizer& tokenizer, std::span<const TokenLogprob> logprobs, int64_t& text_offset
) {
  OrderedJson tokens = OrderedJson::array();
  OrderedJson values = OrderedJson::array();
  OrderedJson tops = OrderedJson::array();
  OrderedJson offsets = OrderedJson::array();
  for (const TokenLogprob& token : logprobs) {
    const std::string text = valid_utf8(token_bytes(tokenizer, token.token_id));
    tokens.push_back(text);
    values.push_back(finite(token.logprob));
    OrderedJson top = OrderedJson::object();
    for (const auto& [id, logprob] : token.top) {
      top.emplace(valid_utf8(token_bytes(tokenizer, id)), finite(logprob));
    }
    tops.push_back(std::move(top));
    offsets.push_back(text_offset);
    text_offset += static_cast<int64_t>(num_characters(text));
  }
  OrderedJson result = OrderedJson::object();
  result["tokens"] = std::move(tokens);
  result["token_logprobs"] = std::move(values);
  result["top_logprobs"] = std::move(tops);
  result["text_offset"] = std::move(offsets);
  return result;
}

}  // namespace trellis::server
