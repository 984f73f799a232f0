// POST /v1/messages and /v1/messages/count_tokens: Anthropic's API.
#include "server/answer_reader.h"
#include "server/api/answer_json.h"
#include "server/api/messages_request.h"
#include "server/dialog_request.h"
#include "server/error_reply.h"
#include "server/generated_reply.h"
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
OrderedJson stop_json(const Event& event, const AnswerReader& reader) {
  OrderedJson json = {{"stop_reason", nullptr}, {"stop_sequence", nullptr}};
  if (event.finish_reason == FinishReason::kLength) json["stop_reason"] = "max_tokens";
  if (event.finish_reason == FinishReason::kStop) {
    json["stop_reason"] = event.stop_string.empty() ? "end_turn" : "stop_sequence";
    if (!event.stop_string.empty()) json["stop_sequence"] = event.stop_string;
    if (reader.ends_with_calls(event)) json["stop_reason"] = "tool_use";
  }
  return json;
}

/// A block of text or thoughts.
OrderedJson text_block(const std::string& text) {
  return {{"type", "text"}, {"text", text}};
}
OrderedJson thinking_block(const std::string& text) {
  return {{"type", "thinking"}, {"thinking", text}, {"signature", ""}};
}
OrderedJson tool_use_block(const CallPart& call, OrderedJson input) {
  return {{"type", "tool_use"}, {"id", call.id}, {"name", call.name}, {"input", std::move(input)}};
}

/// The blocks of a whole answer. Arguments that were cut off are none.
OrderedJson blocks(const AnswerParts& parts) {
  OrderedJson result = OrderedJson::array();
  if (!parts.reasoning.empty()) result.push_back(thinking_block(parts.reasoning));
  if (!parts.text.empty() || parts.calls.empty()) result.push_back(text_block(parts.text));
  for (const CallPart& call : parts.calls) {
    OrderedJson input = OrderedJson::parse(call.arguments, nullptr, false);
    if (!input.is_object()) input = OrderedJson::object();
    result.push_back(tool_use_block(call, std::move(input)));
  }
  return result;
}

class MessagesFormat final : public ReplyFormat {
 public:
  MessagesFormat(std::string id, std::string model, const AnswerShape& shape)
      : id_(std::move(id)), model_(std::move(model)), reader_(shape, "toolu_") {}

  std::string whole(const std::vector<Event>& answers, const AnswerFigures& figures) override {
    const Event& answer = answers[0];
    reader_.take(answer);
    return to_text(message(
        blocks(reader_.parts()), answer,
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
    }
    for (const AnswerPiece& piece : reader_.take(event)) events += piece_events(piece);
    if (event.finished) {
      if (num_blocks_ == 0) events += block_start(AnswerPiece::Kind::kText);
      stop_ = stop_json(event, reader_);
    }
    return events;
  }

  std::string end(const AnswerFigures& figures) override {
    const OrderedJson usage =
        messages_usage(figures.prompt_tokens, figures.cached_tokens, figures.answer_tokens);
    return block_stop() +
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
    json.update(stop_json(event, reader_));
    json["usage"] = std::move(usage);
    return json;
  }

  /// Begins a block where the last one is of another kind, and goes on with it.
  std::string piece_events(const AnswerPiece& piece) {
    using Kind = AnswerPiece::Kind;
    std::string events;
    const Kind kind = piece.kind == Kind::kArguments ? Kind::kCall : piece.kind;
    if (piece.kind == Kind::kCall || num_blocks_ == 0 || kind != block_kind_) {
      events += block_stop();
      events += block_start(kind);
    }
    if (piece.kind == Kind::kCall) return events;
    OrderedJson delta;
    if (kind == Kind::kText) delta = {{"type", "text_delta"}, {"text", piece.text}};
    if (kind == Kind::kReasoning) {
      delta = {{"type", "thinking_delta"}, {"thinking", piece.text}};
    }
    if (kind == Kind::kCall) {
      delta = {{"type", "input_json_delta"}, {"partial_json", piece.text}};
    }
    return events + named_event(
                        {{"type", "content_block_delta"},
                         {"index", num_blocks_ - 1},
                         {"delta", std::move(delta)}}
                    );
  }

  std::string block_start(AnswerPiece::Kind kind) {
    OrderedJson block = text_block("");
    if (kind == AnswerPiece::Kind::kReasoning) block = thinking_block("");
    if (kind == AnswerPiece::Kind::kCall) {
      block = tool_use_block(reader_.parts().calls[num_calls_++], OrderedJson::object());
    }
    block_kind_ = kind;
    return named_event(
        {{"type", "content_block_start"},
         {"index", num_blocks_++},
         {"content_block", std::move(block)}}
    );
  }

  /// Nothing where no block has begun.
  std::string block_stop() const {
    if (num_blocks_ == 0) return {};
    return named_event({{"type", "content_block_stop"}, {"index", num_blocks_ - 1}});
  }

  std::string id_;
  std::string model_;
  AnswerReader reader_;
  bool begun_ = false;
  int num_blocks_ = 0;                                       // that have begun
  size_t num_calls_ = 0;                                     // of those
  AnswerPiece::Kind block_kind_ = AnswerPiece::Kind::kText;  // of the last one
  OrderedJson stop_;
};

Result<DialogRequest> prepare(
    const Engine& engine, const RequestBody& body, const Fields<MessagesRequest>& fields
) {
  const auto parsed = read_messages_request(body, fields, engine.default_sampling());
  if (!parsed.ok()) return parsed.error();
  const MessagesRequest& message = parsed.value();
  return make_dialog_request(
      engine, message.prompt, message.toolbox, message.reasoning, message.generation
  );
}

}  // namespace

Reply messages_error(const ApiError& error) {
  Reply reply;
  reply.status = error.status;
  reply.body = messages_error_body(error);
  return reply;
}

Result<Outcome> messages(const ModelContext& model, const RequestBody& body) {
  Result<DialogRequest> prepared = prepare(model.engine, body, messages_request_fields());
  if (!prepared.ok()) return prepared.error();
  DialogRequest& dialog = prepared.value();
  auto answers = AnswerSet::submit(
      model.engine, dialog.requests(), "messages", dialog.generation.grammar_field
  );
  if (!answers.ok()) return answers.error();
  return generated_reply(
      std::move(answers).value(), 1, dialog.generation.stream,
      std::make_unique<MessagesFormat>(random_id("msg_"), model.name, dialog.shape)
  );
}

Result<Outcome> count_message_tokens(const ModelContext& model, const RequestBody& body) {
  const auto prepared = prepare(model.engine, body, count_tokens_request_fields());
  if (!prepared.ok()) return prepared.error();
  Reply reply;
  reply.body = to_text({{"input_tokens", prepared.value().prompt_ids.size()}});
  return Outcome(std::move(reply));
}

}  // namespace trellis::server
