// POST /v1/chat/completions
#include "server/api/chat_request.h"
#include "server/api/logprob_json.h"
#include "server/chunk_format.h"
#include "server/prompt.h"
#include "server/routes/endpoints.h"

namespace trellis::server {
namespace {

/// Choices of answers, whole and in parts.
class ChatFormat final : public ChunkFormat {
 public:
  ChatFormat(AnswerHead head, const Tokenizer& tokenizer, const ChatRequest& request)
      : ChunkFormat(
            std::move(head), "chat.completion.chunk",
            request.generation.stream_options.include_usage
        ),
        tokenizer_(&tokenizer),
        num_choices_(static_cast<size_t>(request.generation.num_choices)),
        logprobs_(request.logprobs),
        prompt_logprobs_(request.generation.request.prompt_logprobs >= 0) {}

  std::string whole(const std::vector<Event>& answers, const AnswerFigures& figures) override {
    OrderedJson choices = OrderedJson::array();
    for (size_t i = 0; i < answers.size(); ++i) {
      OrderedJson message = {
          {"role", "assistant"}, {"content", answers[i].text}, {"refusal", nullptr}
      };
      choices.push_back(choice(i, "message", std::move(message), answers[i]));
      if (!prompt_logprobs_) continue;
      choices.back()["prompt_logprobs"] =
          prompt_logprobs_json(*tokenizer_, answers[i].prompt_logprobs);
    }
    return document("chat.completion", std::move(choices), figures);
  }

  std::string begin() override {
    std::string events;
    for (size_t i = 0; i < num_choices_; ++i) {
      events += chunk(choice(i, "delta", {{"role", "assistant"}, {"content", ""}}, {}));
    }
    return events;
  }

  std::string part(size_t index, const Event& event) override {
    std::string events;
    if (!event.text.empty() || !event.logprobs.empty()) {
      Event unfinished = event;
      unfinished.finish_reason = FinishReason::kNone;
      events += chunk(choice(index, "delta", {{"content", event.text}}, unfinished));
    }
    if (event.finished) {
      Event end;
      end.finish_reason = event.finish_reason;
      events += chunk(choice(index, "delta", OrderedJson::object(), end));
    }
    return events;
  }

 private:
  /// content: the message or the delta.
  OrderedJson choice(size_t index, const char* key, OrderedJson content, const Event& event) const {
    OrderedJson json = {{"index", index}};
    json[key] = std::move(content);
    json["logprobs"] = nullptr;
    if (logprobs_ && !(event.logprobs.empty() && std::string_view(key) == "delta")) {
      json["logprobs"] = chat_logprobs(*tokenizer_, event.logprobs);
    }
    json["finish_reason"] = finish_reason_json(event.finish_reason);
    return json;
  }

  const Tokenizer* tokenizer_;
  size_t num_choices_;
  bool logprobs_;
  bool prompt_logprobs_;
};

}  // namespace

Result<Outcome> chat_completions(const ServerContext& context, const ApiRequest& request) {
  Engine& engine = context.engine;
  const Result<Json> body = parse_body(request);
  if (!body.ok()) return body.error();
  const Result<ChatRequest> chat = read_chat_request(body.value(), engine.default_sampling());
  if (!chat.ok()) return chat.error();
  const GenerationFields& generation = chat.value().generation;
  const Result<std::string> model = model_name_for(context, generation.model);
  if (!model.ok()) return model.error();
  Result<std::vector<int32_t>> prompt = chat_prompt_ids(engine, chat.value().prompt);
  if (!prompt.ok()) return prompt.error();
  auto answers = AnswerSet::submit(
      engine, requests_for(generation, std::move(prompt).value()), "messages",
      generation.grammar_field
  );
  if (!answers.ok()) return answers.error();

  return generated_reply(
      std::move(answers).value(), static_cast<size_t>(generation.num_choices), generation.stream,
      std::make_unique<ChatFormat>(
          make_head(context, "chatcmpl-", model.value()), engine.tokenizer(), chat.value()
      )
  );
}

}  // namespace trellis::server
