// POST /v1/completions
#include "server/api/completion_request.h"
#include "server/api/logprob_json.h"
#include "server/chunk_format.h"
#include "server/routes/endpoints.h"

namespace trellis::server {
namespace {

constexpr const char* kObject = "text_completion";

/// Choices of answers, whole and in parts. Choices of one prompt are neighbours.
class CompletionFormat final : public ChunkFormat {
 public:
  /// echoes: what stands before the answer, by prompt; empty: nothing does.
  CompletionFormat(
      AnswerHead head, const Tokenizer& tokenizer, const CompletionRequest& request,
      std::vector<std::string> echoes
  )
      : ChunkFormat(std::move(head), kObject, request.generation.stream_options.include_usage),
        tokenizer_(&tokenizer),
        choices_per_prompt_(static_cast<size_t>(request.generation.num_choices)),
        logprobs_(request.generation.request.logprobs >= 0),
        echoes_(std::move(echoes)),
        text_offsets_(request.prompts.size() * choices_per_prompt_) {}

  std::string whole(const std::vector<Event>& answers, const AnswerFigures& figures) override {
    OrderedJson choices = OrderedJson::array();
    for (size_t i = 0; i < answers.size(); ++i) {
      choices.push_back(choice(i, echo_of(i) + answers[i].text, answers[i]));
    }
    return document(kObject, std::move(choices), figures);
  }

  std::string begin() override {
    std::string events;
    for (size_t i = 0; i < echoes_.size() * choices_per_prompt_; ++i) {
      events += chunk(choice(i, echo_of(i), {}));
    }
    return events;
  }

  std::string part(size_t index, const Event& event) override {
    if (event.text.empty() && event.logprobs.empty() && !event.finished) return {};
    return chunk(choice(index, event.text, event));
  }

 private:
  std::string echo_of(size_t index) const {
    return echoes_.empty() ? "" : echoes_[index / choices_per_prompt_];
  }

  OrderedJson choice(size_t index, const std::string& text, const Event& event) {
    OrderedJson json = {{"index", index}, {"text", text}, {"logprobs", nullptr}};
    if (logprobs_ && !event.logprobs.empty()) {
      json["logprobs"] = completion_logprobs(*tokenizer_, event.logprobs, text_offsets_[index]);
    }
    json["finish_reason"] = finish_reason_json(event.finish_reason);
    return json;
  }

  const Tokenizer* tokenizer_;
  size_t choices_per_prompt_;
  bool logprobs_;
  std::vector<std::string> echoes_;    // [prompts]
  std::vector<int64_t> text_offsets_;  // [choices], in characters
};

Result<std::vector<int32_t>> prompt_ids(
    const Tokenizer& tokenizer, const TextOrIds& prompt, bool add_special_tokens
) {
  if (const auto* ids = std::get_if<std::vector<int32_t>>(&prompt)) return *ids;
  try {
    return tokenizer.encode(std::get<std::string>(prompt), add_special_tokens);
  } catch (const UserError& error) {
    return invalid_value("prompt", error.what());
  }
}

std::string prompt_text(const Tokenizer& tokenizer, const TextOrIds& prompt) {
  if (const auto* text = std::get_if<std::string>(&prompt)) return *text;
  return tokenizer.decode(std::get<std::vector<int32_t>>(prompt), true);
}

}  // namespace

Result<Outcome> completions(const ServerContext& context, const ApiRequest& request) {
  Engine& engine = context.engine;
  const Result<RequestBody> body = parse_body(request);
  if (!body.ok()) return body.error();
  const auto parsed = read_completion_request(body.value(), engine.default_sampling());
  if (!parsed.ok()) return parsed.error();
  const CompletionRequest& completion = parsed.value();
  const Result<std::string> model = model_name_for(context, completion.generation.model);
  if (!model.ok()) return model.error();

  std::vector<Request> requests;
  std::vector<std::string> echoes;
  for (const TextOrIds& prompt : completion.prompts) {
    auto ids = prompt_ids(engine.tokenizer(), prompt, completion.add_special_tokens);
    if (!ids.ok()) return ids.error();
    for (Request& choice : requests_for(completion.generation, std::move(ids).value())) {
      requests.push_back(std::move(choice));
    }
    if (completion.echo) echoes.push_back(prompt_text(engine.tokenizer(), prompt));
  }
  auto answers =
      AnswerSet::submit(engine, std::move(requests), "prompt", completion.generation.grammar_field);
  if (!answers.ok()) return answers.error();

  return generated_reply(
      std::move(answers).value(), static_cast<size_t>(completion.generation.num_choices),
      completion.generation.stream,
      std::make_unique<CompletionFormat>(
          make_head(context, "cmpl-", model.value()), engine.tokenizer(), completion,
          std::move(echoes)
      )
  );
}

}  // namespace trellis::server
