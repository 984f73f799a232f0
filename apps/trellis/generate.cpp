// `trellis generate`: one prompt in, one answer out.
#include "apps/trellis/answer_speed.h"
#include "apps/trellis/grammar_arguments.h"
#include "apps/trellis/model_arguments.h"
#include "apps/trellis/option_values.h"
#include "apps/trellis/output.h"
#include "apps/trellis/prompt.h"
#include "apps/trellis/sampling_arguments.h"
#include "apps/trellis/verbs.h"
#include "base/result.h"
#include "checkpoint/model_config.h"

#include <filesystem>
#include <optional>

namespace trellis {
namespace {

constexpr size_t kMaxPromptBytes = (64u << 20) + 1;  // one more than the tokenizer takes
constexpr int64_t kMaxLogprobs = 1000;
constexpr const char* kExamples =
    "Examples:\n"
    "  trellis generate -m DIR --prompt \"Once upon a time\" --max-tokens 100\n"
    "  trellis generate -m DIR --chat --prompt-file question.txt --temperature 0 --json\n"
    "  trellis generate -m DIR --prompt-ids 1,315,201 --logprobs 5 --json\n"
    "  trellis generate -m DIR --chat --prompt \"Is the sky blue?\" --choice yes --choice no\n"
    "The text goes to stdout as it comes, its speed to stderr.";

struct GenerateArguments {
  ModelArguments model;
  SamplingArguments sampling;
  GrammarArguments grammar;
  std::optional<std::string> prompt;
  std::optional<std::string> prompt_file;
  std::optional<std::string> prompt_ids;
  bool chat = false;
  std::string system;
  int64_t max_tokens = 256;
  int64_t min_tokens = 0;
  std::vector<std::string> stop;
  std::vector<int32_t> stop_tokens;
  int logprobs = -1;
  bool ignore_eos = false;
  bool json = false;
};

/// What came of a request, put together from its events.
struct Answer {
  std::string text;
  std::vector<int32_t> token_ids;
  std::vector<TokenLogprob> logprobs;
  FinishReason finish_reason = FinishReason::kNone;
  Usage usage;
};

std::vector<int32_t> prompt_ids(const GenerateArguments& arguments, const Engine& engine) {
  if (arguments.prompt_ids) return parse_token_ids(*arguments.prompt_ids);
  const std::string text = arguments.prompt
                               ? *arguments.prompt
                               : read_text_file(*arguments.prompt_file, kMaxPromptBytes);
  require_utf8(text, arguments.prompt ? "--prompt" : *arguments.prompt_file);
  require_utf8(arguments.system, "--system");
  const std::string& directory = arguments.model.model_directory;
  if (!arguments.chat) {
    return encode_text(engine.tokenizer(), read_begin_token(directory, engine.tokenizer()), text);
  }
  if (engine.chat_template() == nullptr) {
    throw UserError("{}: the model has no chat template; leave out --chat", directory);
  }
  OrderedJson messages = OrderedJson::array();
  if (!arguments.system.empty()) {
    messages.push_back({{"role", "system"}, {"content", arguments.system}});
  }
  messages.push_back({{"role", "user"}, {"content", text}});
  try {
    return encode_conversation(engine.tokenizer(), *engine.chat_template(), messages);
  } catch (const UserError& error) {
    throw UserError("{}: {}", directory, error.what());
  }
}

/// Throws UserError if the context has no room for the prompt and one token of answer.
void require_room(size_t prompt_tokens, int64_t context_tokens, const std::string& directory) {
  const auto tokens = static_cast<int64_t>(prompt_tokens);
  if (tokens < context_tokens) return;
  const int64_t limit = read_model_config(directory).max_position_embeddings;
  throw UserError(
      "the prompt has {} tokens and with one token of answer it does not fit the context of {} "
      "tokens; {}",
      tokens, context_tokens,
      tokens < limit ? fmt::format("shorten it or use a --context of up to {}", limit)
                     : fmt::format("shorten it: the model takes {} tokens at most", limit)
  );
}

Request make_request(const GenerateArguments& arguments, const Engine& engine) {
  Request request;
  request.prompt_ids = prompt_ids(arguments, engine);
  request.sampling = apply(arguments.sampling, engine.default_sampling());
  request.max_tokens = arguments.max_tokens;
  request.min_tokens = arguments.min_tokens;
  request.stop_strings = arguments.stop;
  request.stop_token_ids = arguments.stop_tokens;
  request.ignore_eos = arguments.ignore_eos;
  request.logprobs = arguments.logprobs;
  request.grammar = read_grammar(arguments.grammar);
  return request;
}

/// Reads the stream to its end; with `print`, text goes to stdout as it comes.
Answer collect(EventStream& stream, bool print) {
  Answer answer;
  while (auto event = stream.next()) {
    if (print) print_text(event->text);
    answer.text += event->text;
    answer.token_ids.insert(
        answer.token_ids.end(), event->token_ids.begin(), event->token_ids.end()
    );
    std::move(event->logprobs.begin(), event->logprobs.end(), std::back_inserter(answer.logprobs));
    if (event->finish_reason == FinishReason::kError) throw DeviceError(event->error);
    if (!event->finished) continue;
    answer.finish_reason = event->finish_reason;
    answer.usage = event->usage;
    break;
  }
  return answer;
}

OrderedJson logprobs_json(const std::vector<TokenLogprob>& logprobs) {
  OrderedJson list = OrderedJson::array();
  for (const TokenLogprob& entry : logprobs) {
    OrderedJson top = OrderedJson::array();
    for (const auto& [id, logprob] : entry.top) {
      top.push_back({{"token_id", id}, {"logprob", logprob}});
    }
    list.push_back(
        {{"token_id", entry.token_id}, {"logprob", entry.logprob}, {"top", std::move(top)}}
    );
  }
  return list;
}

OrderedJson report(
    const GenerateArguments& arguments, const std::vector<int32_t>& prompt, const Answer& answer,
    const ModelInfo& info
) {
  OrderedJson document;
  document["text"] = answer.text;
  document["prompt_ids"] = prompt;
  document["token_ids"] = answer.token_ids;
  document["finish_reason"] = finish_reason_name(answer.finish_reason);
  document["logprobs"] = nullptr;
  if (arguments.logprobs >= 0) document["logprobs"] = logprobs_json(answer.logprobs);
  document["timings"] = {
      {"load_s", info.load_s},
      {"prompt_tokens", answer.usage.prompt_tokens},
      {"prompt_s", answer.usage.prompt_s},
      {"decode_tokens", answer.usage.decode_tokens},
      {"decode_s", answer.usage.decode_s},
  };
  return document;
}

int generate(const GenerateArguments& arguments) {
  const int num_prompts = static_cast<int>(arguments.prompt.has_value()) +
                          static_cast<int>(arguments.prompt_file.has_value()) +
                          static_cast<int>(arguments.prompt_ids.has_value());
  if (num_prompts != 1) throw UsageError("give one of --prompt, --prompt-file and --prompt-ids");
  if (arguments.chat && arguments.prompt_ids) {
    throw UsageError("--chat applies to a text, not to --prompt-ids");
  }
  if (!arguments.system.empty() && !arguments.chat) {
    throw UsageError("--system applies to --chat only");
  }
  require_valid(arguments.sampling);
  require_valid(arguments.grammar);

  const auto engine = load_engine(arguments.model);
  Request request = make_request(arguments, *engine);
  const std::vector<int32_t> prompt = request.prompt_ids;
  require_room(prompt.size(), engine->info().context_tokens, arguments.model.model_directory);
  auto stream = engine->submit(std::move(request));
  if (!stream) throw UserError(stream.error().message);
  const Answer answer = collect(*stream.value(), !arguments.json);
  if (arguments.json) {
    print_json(report(arguments, prompt, answer, engine->info()));
    return 0;
  }
  print_text("\n");
  print_note(fmt::format(
      "[{}; finish: {}]\n", describe_speed(answer.usage), finish_reason_name(answer.finish_reason)
  ));
  return 0;
}

}  // namespace

RunVerb define_generate(CLI::App& command) {
  static constexpr const char* kAnswerGroup = "Answer";
  auto arguments = std::make_shared<GenerateArguments>();
  command.footer(kExamples);
  add_model_option(command, arguments->model)->required();
  command
      .add_option(
          "--prompt", arguments->prompt, "Text to continue; an empty one is the model's begin token"
      )
      ->type_name("TEXT");
  command
      .add_option(
          "--prompt-file", arguments->prompt_file, "File with the text to continue; - = stdin"
      )
      ->type_name("FILE");
  command.add_option("--prompt-ids", arguments->prompt_ids, "Token ids to continue, used as given")
      ->type_name("1,2,3");
  command.add_flag(
      "--chat", arguments->chat, "The text is a user's message: apply the model's chat template"
  );
  command.add_option("--system", arguments->system, "System message, with --chat");
  whole_number(
      command.add_option("--max-tokens", arguments->max_tokens, "Most tokens to generate"), 1
  )
      ->capture_default_str()
      ->group(kAnswerGroup);
  whole_number(
      command.add_option(
          "--min-tokens", arguments->min_tokens, "No stop token before that many tokens"
      ),
      0
  )
      ->capture_default_str()
      ->group(kAnswerGroup);
  command.add_option("--stop", arguments->stop, "End where this text would come; may be repeated")
      ->type_name("TEXT")
      ->allow_extra_args(false)
      ->group(kAnswerGroup);
  whole_number(
      command.add_option(
          "--stop-token", arguments->stop_tokens, "End at token ID, too; may be repeated"
      ),
      0, INT32_MAX
  )
      ->allow_extra_args(false)
      ->group(kAnswerGroup);
  command.add_flag("--ignore-eos", arguments->ignore_eos, "Go on where the model would stop")
      ->group(kAnswerGroup);
  CLI::Option* json = add_json_flag(command, arguments->json)->group(kAnswerGroup);
  whole_number(
      command.add_option(
          "--logprobs", arguments->logprobs,
          "Natural log probability of each token and of the N most probable"
      ),
      0, kMaxLogprobs
  )
      ->needs(json)
      ->group(kAnswerGroup);
  add_grammar_options(command, arguments->grammar);
  add_sampling_options(command, arguments->sampling);
  add_backend_options(command, arguments->model);
  add_cache_options(command, arguments->model);
  add_fit_flag(command, arguments->model);
  add_step_options(command, arguments->model);
  add_deterministic_flag(command, arguments->model);
  return [arguments] { return generate(*arguments); };
}

}  // namespace trellis
