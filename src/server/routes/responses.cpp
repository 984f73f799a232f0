// POST /v1/responses: OpenAI's newer API, without a memory between requests.
#include "server/api/answer_json.h"
#include "server/api/responses_request.h"
#include "server/error_reply.h"
#include "server/generated_reply.h"
#include "server/prompt.h"
#include "server/routes/endpoints.h"

namespace trellis::server {
namespace {

OrderedJson output_part(const std::string& text) {
  return {{"type", "output_text"}, {"text", text}, {"annotations", OrderedJson::array()}};
}

OrderedJson responses_usage(const AnswerFigures& figures) {
  return {
      {"input_tokens", figures.prompt_tokens},
      {"input_tokens_details", {{"cached_tokens", figures.cached_tokens}}},
      {"output_tokens", figures.answer_tokens},
      {"output_tokens_details", {{"reasoning_tokens", 0}}},
      {"total_tokens", figures.prompt_tokens + figures.answer_tokens}
  };
}

/// "completed", or "incomplete" where the answer had to end.
const char* status_of(const Event& event) {
  return event.finish_reason == FinishReason::kLength ? "incomplete" : "completed";
}

class ResponsesFormat final : public ReplyFormat {
 public:
  ResponsesFormat(AnswerHead head, const ResponsesRequest& request)
      : head_(std::move(head)),
        item_id_(random_id("msg_")),
        sampling_(combine(request.generation.sampling)) {
    if (request.instructions) instructions_ = *request.instructions;
    if (request.generation.request.max_tokens) max_tokens_ = *request.generation.request.max_tokens;
  }

  std::string whole(const std::vector<Event>& answers, const AnswerFigures& figures) override {
    const Event& answer = answers[0];
    const char* status = status_of(answer);
    return to_text(response(
        status, OrderedJson::array({item(status, OrderedJson::array({output_part(answer.text)}))}),
        responses_usage(figures)
    ));
  }

  std::string begin() override {
    const OrderedJson started = response("in_progress", OrderedJson::array(), nullptr);
    std::string events = named("response.created", {{"response", started}});
    events += named("response.in_progress", {{"response", started}});
    events += named(
        "response.output_item.added",
        {{"output_index", 0}, {"item", item("in_progress", OrderedJson::array())}}
    );
    return events + of_part("response.content_part.added", "part", output_part(""));
  }

  std::string part(size_t, const Event& event) override {
    answer_.append(event);
    if (event.text.empty()) return {};
    return of_part("response.output_text.delta", "delta", event.text);
  }

  std::string end(const AnswerFigures& figures) override {
    const char* status = status_of(answer_);
    const OrderedJson done = item(status, OrderedJson::array({output_part(answer_.text)}));
    const std::string last = std::string("response.") + status;
    const OrderedJson complete =
        response(status, OrderedJson::array({done}), responses_usage(figures));
    std::string events = of_part("response.output_text.done", "text", answer_.text);
    events += of_part("response.content_part.done", "part", output_part(answer_.text));
    events += named("response.output_item.done", {{"output_index", 0}, {"item", done}});
    return events + named(last, {{"response", complete}});
  }

  std::string error(const ApiError& error) override {
    return named("error", {{"code", error.code}, {"message", error.message}, {"param", nullptr}});
  }

 private:
  OrderedJson item(const char* status, OrderedJson content) const {
    return {
        {"type", "message"},
        {"id", item_id_},
        {"status", status},
        {"role", "assistant"},
        {"content", std::move(content)}
    };
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
    json["parallel_tool_calls"] = false;
    json["previous_response_id"] = nullptr;
    json["store"] = false;
    json["temperature"] = sampling_.temperature;
    json["top_p"] = sampling_.top_p;
    json["text"] = {{"format", {{"type", "text"}}}};
    json["tool_choice"] = "none";
    json["tools"] = OrderedJson::array();
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

  /// An event about the one part of the one item.
  std::string of_part(const char* type, const char* key, OrderedJson value) {
    OrderedJson fields = {{"item_id", item_id_}, {"output_index", 0}, {"content_index", 0}};
    fields[key] = std::move(value);
    if (std::string_view(type).starts_with("response.output_text")) {
      fields["logprobs"] = OrderedJson::array();
    }
    return named(type, fields);
  }

  AnswerHead head_;
  std::string item_id_;
  SamplingParams sampling_;
  OrderedJson instructions_;
  OrderedJson max_tokens_;
  Event answer_;
  int64_t next_number_ = 0;
};

}  // namespace

Result<Outcome> responses(const ServerContext& context, const ApiRequest& request) {
  Engine& engine = context.engine;
  const Result<Json> body = parse_body(request);
  if (!body.ok()) return body.error();
  const auto parsed = read_responses_request(body.value(), engine.default_sampling());
  if (!parsed.ok()) return parsed.error();
  const GenerationFields& generation = parsed.value().generation;
  const Result<std::string> model = model_name_for(context, generation.model);
  if (!model.ok()) return model.error();
  auto prompt = chat_prompt_ids(engine, parsed.value().prompt);
  if (!prompt.ok()) {
    ApiError error = prompt.error();
    if (error.parameter == "messages") error.parameter = "input";
    return error;
  }
  auto answers = AnswerSet::submit(
      engine, requests_for(generation, std::move(prompt).value()), "input", generation.grammar_field
  );
  if (!answers.ok()) return answers.error();
  return generated_reply(
      std::move(answers).value(), 1, generation.stream,
      std::make_unique<ResponsesFormat>(make_head(context, "resp_", model.value()), parsed.value())
  );
}

}  // namespace trellis::server
