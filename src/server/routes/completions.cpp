// POST /v1/completions
#include "server/api/completion_request.h"
#include "server/api/logprob_json.h"
#include "server/api/value.h"
#include "server/chunk_format.h"
#include "server/prompt.h"
#include "server/routes/endpoints.h"

namespace trellis::server {
namespace {

constexpr const char* kObject = "text_completion";

/// Where an answer goes on from: its prompt, as far as replies show it.
struct Echo {
  std::string text;
  int32_t first_token = 0;
};

/// Choices of answers, whole and in parts. Choices of one prompt are neighbours.
class CompletionFormat final : public ChunkFormat {
 public:
  /// echoes: what stands before the answer, by prompt; empty: nothing does.
  CompletionFormat(
      AnswerHead head, const Tokenizer& tokenizer, const CompletionRequest& request,
      std::vector<Echo> echoes
  )
      : ChunkFormat(std::move(head), kObject, request.generation.stream_options.include_usage),
        tokenizer_(&tokenizer),
        choices_per_prompt_(static_cast<size_t>(request.generation.num_choices)),
        logprobs_(request.generation.request.logprobs >= 0),
        lists_prompt_(request.lists_prompt_logprobs),
        echoes_(std::move(echoes)),
        text_offsets_(request.prompts.size() * choices_per_prompt_),
        echoed_(text_offsets_.size(), echoes_.empty()) {}

  std::string whole(const std::vector<Event>& answers, const AnswerFigures& figures) override {
    OrderedJson choices = OrderedJson::array();
    for (size_t i = 0; i < answers.size(); ++i) choices.push_back(whole_choice(i, answers[i]));
    return document(kObject, std::move(choices), figures);
  }

  std::string begin() override { return {}; }

  std::string part(size_t index, const Event& event) override {
    std::string events;
    if (!echoed_[index]) events = chunk(echo_choice(index, event.prompt_logprobs));
    echoed_[index] = true;
    if (event.text.empty() && event.logprobs.empty() && !event.finished) return events;
    return events + chunk(choice(index, event));
  }

 private:
  OrderedJson whole_choice(size_t index, const Event& event) {
    OrderedJson json;
    if (echoes_.empty()) {
      json = choice(index, event);
    } else {
      json = echo_choice(index, event.prompt_logprobs);
      const OrderedJson answer = choice(index, event);
      json["text"] = json["text"].get<std::string>() + answer["text"].get<std::string>();
      json["finish_reason"] = answer["finish_reason"];
      if (!answer["logprobs"].is_null()) {
        for (auto& [key, list] : json["logprobs"].items()) {
          for (const OrderedJson& item : answer["logprobs"][key]) list.push_back(item);
        }
      }
    }
    if (lists_prompt_) {
      json["prompt_logprobs"] = prompt_logprobs_json(*tokenizer_, event.prompt_logprobs);
    }
    return json;
  }

  OrderedJson echo_choice(size_t index, const std::vector<TokenLogprob>& prompt) {
    const Echo& echo = echoes_[index / choices_per_prompt_];
    Event event;
    event.text = echo.text;
    OrderedJson json = choice(index, event);
    if (!logprobs_) return json;
    json["logprobs"] = echo_logprobs(*tokenizer_, echo.first_token, prompt, echo.text);
    text_offsets_[index] = static_cast<int64_t>(num_characters(echo.text));
    return json;
  }

  OrderedJson choice(size_t index, const Event& event) {
    OrderedJson json = {{"index", index}, {"text", event.text}, {"logprobs", nullptr}};
    if (logprobs_ && !event.logprobs.empty()) {
      json["logprobs"] = completion_logprobs(*tokenizer_, event.logprobs, text_offsets_[index]);
    }
    json["finish_reason"] = finish_reason_json(event.finish_reason);
    return json;
  }

  const Tokenizer* tokenizer_;
  size_t choices_per_prompt_;
  bool logprobs_;
  bool lists_prompt_;
  std::vector<Echo> echoes_;           // [prompts]
  std::vector<int64_t> text_offsets_;  // [choices], in characters
  std::vector<bool> echoed_;           // [choices]
};

std::string prompt_text(const Tokenizer& tokenizer, const TextOrIds& prompt) {
  if (const auto* text = std::get_if<std::string>(&prompt)) return *text;
  return tokenizer.decode(std::get<std::vector<int32_t>>(prompt), true);
}

}  // namespace

Result<Outcome> completions(const ModelContext& model, const RequestBody& body) {
  Engine& engine = model.engine;
  const auto parsed = read_completion_request(body, engine.default_sampling());
  if (!parsed.ok()) return parsed.error();
  const CompletionRequest& completion = parsed.value();

  std::vector<Request> requests;
  std::vector<Echo> echoes;
  for (const TextOrIds& prompt : completion.prompts) {
    auto ids = input_ids(engine, prompt, completion.add_special_tokens, "prompt");
    if (!ids.ok()) return ids.error();
    if (completion.echo && !ids.value().empty()) {
      echoes.push_back({prompt_text(engine.tokenizer(), prompt), ids.value().front()});
    }
    for (Request& choice : requests_for(completion.generation, std::move(ids).value())) {
      requests.push_back(std::move(choice));
    }
  }
  auto answers =
      AnswerSet::submit(engine, std::move(requests), "prompt", completion.generation.grammar_field);
  if (!answers.ok()) return answers.error();

  return generated_reply(
      std::move(answers).value(), static_cast<size_t>(completion.generation.num_choices),
      completion.generation.stream,
      std::make_unique<CompletionFormat>(
          make_head(model, "cmpl-"), engine.tokenizer(), completion, std::move(echoes)
      )
  );
}

}  // namespace trellis::server
