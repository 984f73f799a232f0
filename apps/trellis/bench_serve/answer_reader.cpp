#include "apps/trellis/bench_serve/answer_reader.h"

#include "base/json.h"

#include <fmt/format.h>

namespace trellis {
namespace {

constexpr size_t kMostLine = 4u << 20;
constexpr std::string_view kData = "data:";

/// The member, where `json` is an object that has it; else null.
const Json* member(const Json& json, const char* key) {
  const auto found = json.is_object() ? json.find(key) : json.end();
  return found == json.end() ? nullptr : &*found;
}

bool is_text(const Json* json) {
  return json != nullptr && json->is_string() && !json->get_ref<const std::string&>().empty();
}

/// Whether a chunk of chat or plain completions brings text of its first choice.
bool has_text(const Json& chunk) {
  const Json* choices = member(chunk, "choices");
  if (choices == nullptr || !choices->is_array() || choices->empty()) return false;
  const Json& choice = choices->front();
  if (is_text(member(choice, "text"))) return true;
  const Json* delta = member(choice, "delta");
  if (delta == nullptr) return false;
  return is_text(member(*delta, "content")) || is_text(member(*delta, "reasoning_content"));
}

int64_t count(const Json& usage, const char* key) {
  const Json* value = member(usage, key);
  return value != nullptr && value->is_number_integer() ? value->get<int64_t>() : 0;
}

std::string error_code(const Json& document) {
  const Json* error = member(document, "error");
  if (error == nullptr) return "";
  const Json* code = member(*error, "code");
  return is_text(code) ? code->get<std::string>().substr(0, 60) : "";
}

}  // namespace

std::optional<std::string> AnswerReader::feed(std::string_view bytes, double now_s) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    rest_ += bytes.substr(0, end);
    if (rest_.size() > kMostLine) return "line too long";
    if (end == std::string_view::npos) return std::nullopt;
    bytes.remove_prefix(end + 1);
    std::string_view line = rest_;
    if (line.ends_with('\r')) line.remove_suffix(1);
    std::optional<std::string> failure;
    if (line.starts_with(kData)) failure = take_event(line.substr(kData.size()), now_s);
    rest_.clear();
    if (failure) return failure;
  }
  return std::nullopt;
}

std::optional<std::string> AnswerReader::take_event(std::string_view data, double now_s) {
  while (data.starts_with(' ')) data.remove_prefix(1);
  if (data == "[DONE]") {
    is_complete_ = true;
    return std::nullopt;
  }
  const Json chunk = Json::parse(data, nullptr, false);
  if (chunk.is_discarded()) return "not JSON";
  if (member(chunk, "error") != nullptr) return "stream " + error_code(chunk);
  if (has_text(chunk)) {
    record_->text_s.push_back(now_s);
    ++record_->output_tokens;  // until the server tells how many there were
  }
  if (const Json* usage = member(chunk, "usage"); usage != nullptr && usage->is_object()) {
    record_->prompt_tokens = count(*usage, "prompt_tokens");
    record_->output_tokens = count(*usage, "completion_tokens");
  }
  return std::nullopt;
}

std::string http_failure(unsigned status, std::string_view body) {
  const Json document = Json::parse(body, nullptr, false);
  const std::string code = document.is_discarded() ? "" : error_code(document);
  return code.empty() ? fmt::format("HTTP {}", status) : fmt::format("HTTP {} {}", status, code);
}

}  // namespace trellis
