// POST /v1/messages and /v1/messages/count_tokens: Anthropic's API.
#include "server/api/answer_json.h"
#include "server/api/messages_request.h"
#include "server/error_reply.h"
#include "server/generated_reply.h"
#include "server/prompt.h"
#include "server/routes/endpoints.h"

namespace trellis::server {
namespace {

/// OpenAI's error with what Anthropic's clients look for.
std::string messages_error_body(const ApiError& error) {
  OrderedJson document = OrderedJson::parse(error_body(error));
  if (document["error"]["type"] == "server_error") document["error"]["type"] = "api_error";
  document["type"] = "error";
  return to_text(document);
}

Outcome messages_error(const ApiError& error) {
  Reply reply;
  reply.status = error.status;
  reply.body = messages_error_body(error);
  return reply;
}

/// One server-sent event with a name, which is its type.
std::string named_event(const OrderedJson& json) {
  return "event: " + json["type"].get<std::string>() + "\n" + sse_event(to_text(json));
}

/// Tokens that were computed before count apart from the others.
OrderedJson messages_usage(int64_t prompt_tokens, int64_t cached_tokens, int64_t answer_tokens) {
  return {
      {"input_tokens", prompt_tokens - cached_tokens},
      {"cache_creation_input_tokens", 0},
      {"cache_read_input_tokens", cached_tokens},
      {"output_tokens", answer_tokens}
  };
}

/// {"stop_reason", "stop_sequence"}
OrderedJson stop_json(const Event& event) {
  OrderedJson json = {{"stop_reason", nullptr}, {"stop_sequence", nullptr}};
  if (event.finish_reason == FinishReason::kLength) json["stop_reason"] = "max_tokens";
  if (event.finish_reason == FinishReason::kStop) {
    json["stop_reason"] = event.stop_string.empty() ? "end_turn" : "stop_sequence";
    if (!event.stop_string.empty()) json["stop_sequence"] = event.stop_string;
  }
  return json;
}

class MessagesFormat final : public ReplyFormat {
 public:
  MessagesFormat(std::string id, std::string model)
      : id_(std::move(id)), model_(std::move(model)) {}

  std::string whole(const std::vector<Event>& answers, const AnswerFigures& figures) override {
    const Event& answer = answers[0];
    return to_text(message(
        OrderedJson::array({{{"type", "text"}, {"text", answer.text}}}), answer,
        messages_usage(figures.prompt_tokens, figures.cached_tokens, figures.answer_tokens)
    ));
  }

  /// Nothing: the first event tells what the message begins with.
  std::string begin() override { return {}; }

  std::string part(size_t, const Event& event) override {
    std::string events;
    if (!begun_) {
      begun_ = true;
      const OrderedJson usage =
          messages_usage(event.usage.prompt_tokens, event.usage.cached_tokens, 0);
      events += named_event(
          {{"type", "message_start"}, {"message", message(OrderedJson::array(), {}, usage)}}
      );
      events += named_event(
          {{"type", "content_block_start"},
           {"index", 0},
           {"content_block", {{"type", "text"}, {"text", ""}}}}
      );
    }
    if (!event.text.empty()) {
      events += named_event(
          {{"type", "content_block_delta"},
           {"index", 0},
           {"delta", {{"type", "text_delta"}, {"text", event.text}}}}
      );
    }
    if (event.finished) stop_ = stop_json(event);
    return events;
  }

  std::string end(const AnswerFigures& figures) override {
    const OrderedJson usage =
        messages_usage(figures.prompt_tokens, figures.cached_tokens, figures.answer_tokens);
    return named_event({{"type", "content_block_stop"}, {"index", 0}}) +
           named_event({{"type", "message_delta"}, {"delta", stop_}, {"usage", usage}}) +
           named_event({{"type", "message_stop"}});
  }

  std::string whole_error(const ApiError& error) override { return messages_error_body(error); }

  std::string error(const ApiError& error) override {
    return "event: error\n" + sse_event(messages_error_body(error));
  }

 private:
  OrderedJson message(OrderedJson content, const Event& event, OrderedJson usage) const {
    OrderedJson json = {
        {"id", id_},
        {"type", "message"},
        {"role", "assistant"},
        {"model", model_},
        {"content", std::move(content)}
    };
    json.update(stop_json(event));
    json["usage"] = std::move(usage);
    return json;
  }

  std::string id_;
  std::string model_;
  bool begun_ = false;
  OrderedJson stop_;
};

/// A request whose model is served here, and its prompt.
struct Prepared {
  MessagesRequest request;
  std::string model;
  std::vector<int32_t> prompt_ids;
};

Result<Prepared> prepare(
    const ServerContext& context, const ApiRequest& request, const Fields<MessagesRequest>& fields
) {
  const Result<Json> body = parse_body(request);
  if (!body.ok()) return body.error();
  auto parsed = read_messages_request(body.value(), fields, context.engine.default_sampling());
  if (!parsed.ok()) return parsed.error();
  const Result<std::string> model = model_name_for(context, parsed.value().generation.model);
  if (!model.ok()) return model.error();
  auto ids = chat_prompt_ids(context.engine, parsed.value().prompt);
  if (!ids.ok()) return ids.error();
  return Prepared{std::move(parsed).value(), model.value(), std::move(ids).value()};
}

}  // namespace

Result<Outcome> messages(const ServerContext& context, const ApiRequest& request) {
  Result<Prepared> prepared = prepare(context, request, messages_request_fields());
  if (!prepared.ok()) return messages_error(prepared.error());
  Prepared& message = prepared.value();
  const GenerationFields& generation = message.request.generation;
  auto answers = AnswerSet::submit(
      context.engine, requests_for(generation, std::move(message.prompt_ids)), "messages",
      generation.grammar_field
  );
  if (!answers.ok()) return messages_error(answers.error());
  return generated_reply(
      std::move(answers).value(), 1, generation.stream,
      std::make_unique<MessagesFormat>(random_id("msg_"), message.model)
  );
}

Result<Outcome> count_message_tokens(const ServerContext& context, const ApiRequest& request) {
  const Result<Prepared> prepared = prepare(context, request, count_tokens_request_fields());
  if (!prepared.ok()) return messages_error(prepared.error());
  Reply reply;
  reply.body = to_text({{"input_tokens", prepared.value().prompt_ids.size()}});
  return Outcome(std::move(reply));
}

}  // namespace trellis::server
