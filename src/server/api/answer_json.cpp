#include "server/api/answer_json.h"

#include <chrono>
#include <random>

namespace trellis::server {

std::string random_id(const char* id_prefix) {
  std::random_device device;
  std::string id = id_prefix;
  for (int i = 0; i < 4; ++i) id += fmt::format("{:08x}", device());
  return id;
}

AnswerHead make_head(const ModelContext& model, const char* id_prefix) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return {
      random_id(id_prefix), std::chrono::duration_cast<std::chrono::seconds>(now).count(),
      model.name, system_fingerprint(model)
  };
}

OrderedJson head_json(const AnswerHead& head, const char* object) {
  return {
      {"id", head.id},
      {"object", object},
      {"created", head.created},
      {"model", head.model},
      {"system_fingerprint", head.fingerprint}
  };
}

OrderedJson usage_json(const AnswerFigures& figures) {
  return {
      {"prompt_tokens", figures.prompt_tokens},
      {"completion_tokens", figures.answer_tokens},
      {"total_tokens", figures.prompt_tokens + figures.answer_tokens},
      {"prompt_tokens_details", {{"cached_tokens", figures.cached_tokens}}}
  };
}

OrderedJson finish_reason_json(FinishReason reason) {
  if (reason == FinishReason::kNone) return nullptr;
  return finish_reason_name(reason);
}

std::string to_text(const OrderedJson& json) {
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace trellis::server
