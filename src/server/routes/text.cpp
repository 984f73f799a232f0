// POST /tokenize, /detokenize and /apply-template: the text side of a request, without the model.
#include "server/api/answer_json.h"
#include "server/api/logprob_json.h"
#include "server/api/text_requests.h"
#include "server/dialog_request.h"
#include "server/prompt.h"
#include "server/routes/endpoints.h"
#include "text/tokenizer.h"

namespace trellis::server {
namespace {

template <typename T>
Result<T> read_body(const RequestBody& body, const Fields<T>& fields) {
  T parsed;
  if (auto error = read_fields(body.json, "", fields, parsed)) return *error;
  if constexpr (requires { parsed.chat; }) {
    Toolbox& toolbox = parsed.chat.toolbox;
    if (auto error = complete(toolbox, ToolShape::kInFunction, body.text)) return *error;
  }
  return parsed;
}

Outcome json_reply(const OrderedJson& document) {
  Reply reply;
  reply.body = to_text(document);
  return reply;
}

Result<std::string> render(const Engine& engine, const TemplateInput& chat) {
  return render_dialog(engine, chat.prompt, chat.toolbox, chat.reasoning);
}

Result<std::vector<int32_t>> ids_of(const Engine& engine, const TokenizeRequest& request) {
  const bool is_chat = !request.chat.prompt.messages.empty();
  if (is_chat == request.prompt.has_value()) {
    return ApiError{400, "missing_required_parameter", "send either prompt or messages", "prompt"};
  }
  if (is_chat) {
    const Result<std::string> text = render(engine, request.chat);
    if (!text.ok()) return text.error();
    return prompt_ids(engine, text.value());
  }
  try {
    return engine.tokenizer().encode(*request.prompt, request.add_special_tokens);
  } catch (const UserError& error) {
    return invalid_value("prompt", error.what());
  }
}

}  // namespace

Result<Outcome> tokenize(const ModelContext& model, const RequestBody& body) {
  const auto parsed = read_body(body, tokenize_request_fields());
  if (!parsed.ok()) return parsed.error();
  const auto ids = ids_of(model.engine, parsed.value());
  if (!ids.ok()) return ids.error();
  OrderedJson document = {
      {"count", ids.value().size()},
      {"max_model_len", model.engine.info().context_tokens},
      {"tokens", ids.value()},
      {"token_strs", nullptr}
  };
  if (parsed.value().return_token_strs) {
    document["token_strs"] = OrderedJson::array();
    for (const int32_t id : ids.value()) {
      document["token_strs"].push_back(token_bytes(model.engine.tokenizer(), id));
    }
  }
  return json_reply(document);
}

Result<Outcome> detokenize(const ModelContext& model, const RequestBody& body) {
  const auto parsed = read_body(body, detokenize_request_fields());
  if (!parsed.ok()) return parsed.error();
  const Tokenizer& tokenizer = model.engine.tokenizer();
  return json_reply(
      {{"prompt", tokenizer.decode(parsed.value().tokens, parsed.value().skip_special_tokens)}}
  );
}

Result<Outcome> apply_template(const ModelContext& model, const RequestBody& body) {
  const auto parsed = read_body(body, apply_template_request_fields());
  if (!parsed.ok()) return parsed.error();
  const Result<std::string> text = render(model.engine, parsed.value().chat);
  if (!text.ok()) return text.error();
  return json_reply({{"prompt", text.value()}});
}

}  // namespace trellis::server
