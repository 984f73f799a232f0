// POST /v1/chat/completions
#include "server/answer_reader.h"
#include "server/api/chat_request.h"
#include "server/api/logprob_json.h"
#include "server/chunk_format.h"
#include "server/dialog_request.h"
#include "server/routes/endpoints.h"

#include <map>

namespace trellis::server {
namespace {

/// Call number `index` as a message has it.
OrderedJson call_json(size_t index, const CallPart& call, bool in_delta) {
  OrderedJson json = OrderedJson::object();
  if (in_delta) json["index"] = index;
  json["id"] = call.id;
  json["type"] = "function";
  json["function"] = {{"name", call.name}, {"arguments", in_delta ? "" : call.arguments}};
  return json;
}

/// Choices of answers, whole and in parts.
class ChatFormat final : public ChunkFormat {
 public:
  ChatFormat(
      AnswerHead head, const Tokenizer& tokenizer, const ChatRequest& request,
      const AnswerShape& shape
  )
      : ChunkFormat(
            std::move(head), "chat.completion.chunk",
            request.generation.stream_options.include_usage
        ),
        tokenizer_(&tokenizer),
        readers_(static_cast<size_t>(request.generation.num_choices), AnswerReader(shape, "call_")),
        logprobs_(request.logprobs),
        prompt_logprobs_(request.generation.request.prompt_logprobs >= 0) {}

  std::string whole(const std::vector<Event>& answers, const AnswerFigures& figures) override {
    OrderedJson choices = OrderedJson::array();
    for (size_t i = 0; i < answers.size(); ++i) {
      readers_[i].take(answers[i]);
      choices.push_back(choice(i, "message", message(readers_[i].parts()), answers[i]));
      if (!prompt_logprobs_) continue;
      choices.back()["prompt_logprobs"] =
          prompt_logprobs_json(*tokenizer_, answers[i].prompt_logprobs);
    }
    return document("chat.completion", std::move(choices), figures);
  }

  std::string begin() override {
    std::string events;
    for (size_t i = 0; i < readers_.size(); ++i) {
      events += chunk(choice(i, "delta", {{"role", "assistant"}, {"content", ""}}, {}));
    }
    return events;
  }

  std::string part(size_t index, const Event& event) override {
    std::vector<OrderedJson> deltas;
    for (const AnswerPiece& piece : readers_[index].take(event)) {
      deltas.push_back(delta(index, piece));
    }
    if (deltas.empty() && !event.logprobs.empty()) deltas.push_back({{"content", ""}});
    Event unfinished = event;
    unfinished.finish_reason = FinishReason::kNone;
    std::string events;
    for (OrderedJson& one : deltas) {
      events += chunk(choice(index, "delta", std::move(one), unfinished));
      unfinished.logprobs.clear();  // the first of them has those of all
    }
    if (event.finished) {
      Event end;
      end.finish_reason = event.finish_reason;
      events += chunk(choice(index, "delta", OrderedJson::object(), end));
    }
    return events;
  }

 private:
  static OrderedJson message(const AnswerParts& parts) {
    OrderedJson json = {{"role", "assistant"}, {"content", parts.text}, {"refusal", nullptr}};
    if (!parts.reasoning.empty()) json["reasoning_content"] = parts.reasoning;
    if (parts.calls.empty()) return json;
    if (parts.text.empty()) json["content"] = nullptr;
    for (const CallPart& call : parts.calls)
      json["tool_calls"].push_back(call_json(0, call, false));
    return json;
  }

  /// The piece is the last that has been read, or a call that others have completed since.
  OrderedJson delta(size_t choice_index, const AnswerPiece& piece) {
    switch (piece.kind) {
      case AnswerPiece::Kind::kText:
        return {{"content", piece.text}};
      case AnswerPiece::Kind::kReasoning:
        return {{"reasoning_content", piece.text}};
      case AnswerPiece::Kind::kCall: {
        const size_t call = num_calls_[choice_index]++;
        const CallPart& part = readers_[choice_index].parts().calls[call];
        return {{"tool_calls", OrderedJson::array({call_json(call, part, true)})}};
      }
      case AnswerPiece::Kind::kArguments:
        break;
    }
    OrderedJson call = {{"index", num_calls_[choice_index] - 1}};
    call["function"] = {{"arguments", piece.text}};
    return {{"tool_calls", OrderedJson::array({std::move(call)})}};
  }

  /// content: the message or the delta.
  OrderedJson choice(size_t index, const char* key, OrderedJson content, const Event& event) const {
    OrderedJson json = {{"index", index}};
    json[key] = std::move(content);
    json["logprobs"] = nullptr;
    if (logprobs_ && !(event.logprobs.empty() && std::string_view(key) == "delta")) {
      json["logprobs"] = chat_logprobs(*tokenizer_, event.logprobs);
    }
    json["finish_reason"] = finish_reason_json(event.finish_reason);
    if (readers_[index].ends_with_calls(event)) json["finish_reason"] = "tool_calls";
    return json;
  }

  const Tokenizer* tokenizer_;
  std::vector<AnswerReader> readers_;   // by choice
  std::map<size_t, size_t> num_calls_;  // that a choice's deltas have begun
  bool logprobs_;
  bool prompt_logprobs_;
};

}  // namespace

Result<Outcome> chat_completions(const ModelContext& model, const RequestBody& body) {
  Engine& engine = model.engine;
  const Result<ChatRequest> chat = read_chat_request(body, engine.default_sampling());
  if (!chat.ok()) return chat.error();
  const GenerationFields& generation = chat.value().generation;
  Result<DialogRequest> dialog = make_dialog_request(
      engine, chat.value().prompt, chat.value().toolbox, chat.value().reasoning, generation
  );
  if (!dialog.ok()) return dialog.error();
  auto answers = AnswerSet::submit(
      engine, dialog.value().requests(), "messages", dialog.value().generation.grammar_field
  );
  if (!answers.ok()) return answers.error();

  return generated_reply(
      std::move(answers).value(), static_cast<size_t>(generation.num_choices), generation.stream,
      std::make_unique<ChatFormat>(
          make_head(model, "chatcmpl-"), engine.tokenizer(), chat.value(), dialog.value().shape
      )
  );
}

}  // namespace trellis::server
