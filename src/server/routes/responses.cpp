// POST /v1/responses: OpenAI's newer API, without a memory between requests.
#include "server/answer_reader.h"
#include "server/api/answer_json.h"
#include "server/api/responses_request.h"
#include "server/dialog_request.h"
#include "server/error_reply.h"
#include "server/generated_reply.h"
#include "server/routes/endpoints.h"
#include "text/tokenizer.h"

namespace trellis::server {
namespace {

OrderedJson output_part(const std::string& text) {
  return {{"type", "output_text"}, {"text", text}, {"annotations", OrderedJson::array()}};
}

OrderedJson responses_usage(const AnswerFigures& figures, size_t reasoning_tokens) {
  return {
      {"input_tokens", figures.prompt_tokens},
      {"input_tokens_details", {{"cached_tokens", figures.cached_tokens}}},
      {"output_tokens", figures.answer_tokens},
      {"output_tokens_details", {{"reasoning_tokens", reasoning_tokens}}},
      {"total_tokens", figures.prompt_tokens + figures.answer_tokens}
  };
}

/// "completed", or "incomplete" where the answer had to end.
const char* status_of(const Event& event) {
  return event.finish_reason == FinishReason::kLength ? "incomplete" : "completed";
}

/// The request's choice and tools, as the answer repeats them.
OrderedJson choice_json(const ToolChoice& choice) {
  switch (choice.kind) {
    case ToolChoice::Kind::kNone:
      return "none";
    case ToolChoice::Kind::kAuto:
      return "auto";
    case ToolChoice::Kind::kRequired:
      return "required";
    case ToolChoice::Kind::kNamed:
      break;
  }
  return {{"type", "function"}, {"name", choice.name}};
}

OrderedJson tool_json(const Tool& tool) {
  return {
      {"type", "function"},
      {"name", tool.name},
      {"description", tool.description},
      {"parameters", tool.parameters},
      {"strict", tool.strict}
  };
}

/// One item of the output: a message, thoughts, or a call.
struct OutputItem {
  AnswerPiece::Kind kind = AnswerPiece::Kind::kText;
  std::string id;
  CallPart call;     // kCall
  std::string text;  // of the message, of the thoughts, or the arguments
};

OrderedJson content_part(const OutputItem& item) {
  if (item.kind == AnswerPiece::Kind::kText) return output_part(item.text);
  return {{"type", "reasoning_text"}, {"text", item.text}};
}

/// has_content: false where the item has only begun.
OrderedJson item_json(const OutputItem& item, const char* status, bool has_content = true) {
  OrderedJson content = OrderedJson::array();
  if (has_content) content.push_back(content_part(item));
  switch (item.kind) {
    case AnswerPiece::Kind::kText:
      return {
          {"type", "message"},
          {"id", item.id},
          {"status", status},
          {"role", "assistant"},
          {"content", std::move(content)}
      };
    case AnswerPiece::Kind::kReasoning:
      return {
          {"type", "reasoning"},
          {"id", item.id},
          {"summary", OrderedJson::array()},
          {"content", std::move(content)},
          {"status", status}
      };
    default:
      return {{"type", "function_call"}, {"id", item.id},          {"call_id", item.call.id},
              {"name", item.call.name},  {"arguments", item.text}, {"status", status}};
  }
}

class ResponsesFormat final : public ReplyFormat {
 public:
  ResponsesFormat(
      AnswerHead head, const Tokenizer& tokenizer, const ResponsesRequest& request,
      const AnswerShape& shape
  )
      : head_(std::move(head)),
        tokenizer_(&tokenizer),
        sampling_(combine(request.generation.sampling)),
        toolbox_(request.toolbox),
        reader_(shape, "call_") {
    if (request.instructions) instructions_ = *request.instructions;
    if (request.generation.request.max_tokens) max_tokens_ = *request.generation.request.max_tokens;
  }

  std::string whole(const std::vector<Event>& answers, const AnswerFigures& figures) override {
    const Event& answer = answers[0];
    for (const AnswerPiece& piece : reader_.take(answer)) {
      if (begins_item(piece)) begin_item(piece);
      if (piece.kind != AnswerPiece::Kind::kCall) items_.back().text += piece.text;
    }
    if (items_.empty()) begin_item({});
    const char* status = status_of(answer);
    return to_text(response(status, output(status), usage(figures)));
  }

  std::string begin() override {
    const OrderedJson started = response("in_progress", OrderedJson::array(), nullptr);
    std::string events = named("response.created", {{"response", started}});
    return events + named("response.in_progress", {{"response", started}});
  }

  std::string part(size_t, const Event& event) override {
    std::string events;
    for (const AnswerPiece& piece : reader_.take(event)) {
      if (begins_item(piece)) {
        events += item_end("completed");
        events += item_start(piece);
      }
      if (piece.kind == AnswerPiece::Kind::kCall) continue;
      items_.back().text += piece.text;
      events += of_item(names().delta, {{"delta", piece.text}});
    }
    if (event.finished) {
      status_ = status_of(event);
      if (items_.empty()) events += item_start({});
    }
    return events;
  }

  std::string end(const AnswerFigures& figures) override {
    const std::string last = std::string("response.") + status_;
    std::string events = item_end(status_);
    const OrderedJson complete = response(status_, output(status_), usage(figures));
    return events + named(last, {{"response", complete}});
  }

  std::string error(const ApiError& error) override {
    return named("error", {{"code", error.code}, {"message", error.message}, {"param", nullptr}});
  }

 private:
  OrderedJson usage(const AnswerFigures& figures) const {
    const std::string& thoughts = reader_.parts().reasoning;
    return responses_usage(figures, tokenizer_->encode(thoughts, false).size());
  }

  /// The events of an item, by its kind.
  struct EventNames {
    const char* delta;
    const char* done;
    const char* done_key;
  };

  EventNames names() const {
    switch (items_.back().kind) {
      case AnswerPiece::Kind::kText:
        return {"response.output_text.delta", "response.output_text.done", "text"};
      case AnswerPiece::Kind::kReasoning:
        return {"response.reasoning_text.delta", "response.reasoning_text.done", "text"};
      default:
        return {
            "response.function_call_arguments.delta", "response.function_call_arguments.done",
            "arguments"
        };
    }
  }

  bool begins_item(const AnswerPiece& piece) const {
    using Kind = AnswerPiece::Kind;
    if (piece.kind == Kind::kArguments) return false;
    return piece.kind == Kind::kCall || items_.empty() || items_.back().kind != piece.kind;
  }

  void begin_item(const AnswerPiece& piece) {
    using Kind = AnswerPiece::Kind;
    OutputItem item;
    item.kind = piece.kind;
    if (item.kind == Kind::kCall) item.call = reader_.parts().calls[num_calls_++];
    item.id = random_id(
        item.kind == Kind::kText        ? "msg_"
        : item.kind == Kind::kReasoning ? "rs_"
                                        : "fc_"
    );
    items_.push_back(std::move(item));
  }

  std::string item_start(const AnswerPiece& piece) {
    begin_item(piece);
    const OutputItem& item = items_.back();
    std::string events = named(
        "response.output_item.added",
        {{"output_index", items_.size() - 1}, {"item", item_json(item, "in_progress", false)}}
    );
    if (item.kind == AnswerPiece::Kind::kCall) return events;
    return events + of_item("response.content_part.added", {{"part", content_part(item)}});
  }

  /// Nothing where no item has begun.
  std::string item_end(const char* status) {
    if (items_.empty()) return {};
    const OutputItem& item = items_.back();
    std::string events = of_item(names().done, {{names().done_key, item.text}});
    if (item.kind != AnswerPiece::Kind::kCall) {
      events += of_item("response.content_part.done", {{"part", content_part(item)}});
    }
    return events + named(
                        "response.output_item.done",
                        {{"output_index", items_.size() - 1}, {"item", item_json(item, status)}}
                    );
  }

  /// All items; only the last one may be incomplete.
  OrderedJson output(const char* status) const {
    OrderedJson result = OrderedJson::array();
    for (const OutputItem& item : items_) {
      result.push_back(item_json(item, &item == &items_.back() ? status : "completed"));
    }
    return result;
  }

  OrderedJson response(const char* status, OrderedJson output, OrderedJson usage) const {
    OrderedJson json = {
        {"id", head_.id},
        {"object", "response"},
        {"created_at", head_.created},
        {"status", status},
        {"error", nullptr},
        {"incomplete_details", nullptr},
        {"instructions", instructions_},
        {"max_output_tokens", max_tokens_},
        {"model", head_.model}
    };
    if (std::string_view(status) == "incomplete") {
      json["incomplete_details"] = {{"reason", "max_output_tokens"}};
    }
    json["output"] = std::move(output);
    json["parallel_tool_calls"] = toolbox_.parallel;
    json["previous_response_id"] = nullptr;
    json["store"] = false;
    json["temperature"] = sampling_.temperature;
    json["top_p"] = sampling_.top_p;
    json["text"] = {{"format", {{"type", "text"}}}};
    json["tool_choice"] = choice_json(toolbox_.choice);
    json["tools"] = OrderedJson::array();
    for (const Tool& tool : toolbox_.tools) json["tools"].push_back(tool_json(tool));
    json["truncation"] = "disabled";
    json["usage"] = std::move(usage);
    json["metadata"] = OrderedJson::object();
    return json;
  }

  /// An event of the stream, with its number.
  std::string named(const std::string& type, const OrderedJson& fields) {
    OrderedJson json = {{"type", type}, {"sequence_number", next_number_++}};
    json.update(fields);
    return "event: " + type + "\n" + sse_event(to_text(json));
  }

  /// An event about the last item.
  std::string of_item(const std::string& type, const OrderedJson& values) {
    OrderedJson fields = {{"item_id", items_.back().id}, {"output_index", items_.size() - 1}};
    if (items_.back().kind != AnswerPiece::Kind::kCall) fields["content_index"] = 0;
    fields.update(values);
    if (type.starts_with("response.output_text")) fields["logprobs"] = OrderedJson::array();
    return named(type, fields);
  }

  AnswerHead head_;
  const Tokenizer* tokenizer_;
  SamplingParams sampling_;
  OrderedJson instructions_;
  OrderedJson max_tokens_;
  Toolbox toolbox_;
  AnswerReader reader_;
  std::vector<OutputItem> items_;  // that have begun
  size_t num_calls_ = 0;           // of them
  const char* status_ = "completed";
  int64_t next_number_ = 0;
};

}  // namespace

Result<Outcome> responses(const ModelContext& model, const RequestBody& body) {
  Engine& engine = model.engine;
  const auto parsed = read_responses_request(body, engine.default_sampling());
  if (!parsed.ok()) return parsed.error();
  const GenerationFields& generation = parsed.value().generation;
  Result<DialogRequest> dialog = make_dialog_request(
      engine, parsed.value().prompt, parsed.value().toolbox, parsed.value().reasoning, generation
  );
  if (!dialog.ok()) {
    ApiError error = dialog.error();
    if (error.parameter == "messages") error.parameter = "input";
    return error;
  }
  auto answers = AnswerSet::submit(
      engine, dialog.value().requests(), "input", dialog.value().generation.grammar_field
  );
  if (!answers.ok()) return answers.error();
  return generated_reply(
      std::move(answers).value(), 1, generation.stream,
      std::make_unique<ResponsesFormat>(
          make_head(model, "resp_"), engine.tokenizer(), parsed.value(), dialog.value().shape
      )
  );
}

}  // namespace trellis::server
