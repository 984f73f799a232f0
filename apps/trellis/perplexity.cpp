// `trellis perplexity`: how well a model predicts a text, and how far it is from a reference model.
#include "apps/trellis/bare_model.h"
#include "apps/trellis/evaluation_tokens.h"
#include "apps/trellis/model_arguments.h"
#include "apps/trellis/option_values.h"
#include "apps/trellis/output.h"
#include "apps/trellis/progress_bar.h"
#include "apps/trellis/prompt.h"
#include "apps/trellis/scoring.h"
#include "apps/trellis/verbs.h"
#include "base/thread_pool.h"
#include "checkpoint/tokenizer_config.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace trellis {
namespace {

constexpr int64_t kDefaultRowTokens = 1024;
constexpr int64_t kMostRows = int64_t{1} << 20;
constexpr int64_t kMostRowTokens = int64_t{1} << 20;
constexpr const char* kExamples =
    "Examples:\n"
    "  trellis perplexity -m DIR --text wikitext2-raw-test.txt\n"
    "  trellis perplexity -m QUANTIZED --chat conversations.jsonl --compare ORIGINAL --json\n"
    "  trellis perplexity -m DIR --chat FILE.jsonl --compare DIR --cache-type q4   loss of a "
    "cache\n"
    "A line of FILE.jsonl is {\"messages\": [{\"role\", \"content\"}, ...]} or {\"text\": "
    "\"...\"}.\n"
    "The perplexity is exp of the mean negative log probability (nll, in nats) of all positions.";
constexpr int64_t kMaxChunkTokens = 512;
constexpr int64_t kMaxLogits = int64_t{1} << 24;  // of a chunk, in numbers: 64 MiB

struct PerplexityArguments {
  ModelArguments model;
  std::optional<std::string> text;
  std::optional<std::string> chat;
  int64_t rows = 32;
  std::optional<int64_t> row_tokens;
  std::optional<std::string> compare;
  bool json = false;
};

/// What separates documents: the end of text of the tokenizer.
std::string document_separator(const std::filesystem::path& directory, const Tokenizer& tokenizer) {
  static constexpr const char* kEndOfText = "<|endoftext|>";
  if (tokenizer.token_to_id(kEndOfText)) return kEndOfText;
  return read_tokenizer_config(directory).eos_token.value_or("\n");
}

std::vector<int32_t> evaluation_tokens(const PerplexityArguments& arguments, int64_t wanted) {
  const std::filesystem::path directory(arguments.model.model_directory);
  const auto tokenizer = Tokenizer::from_file(directory / "tokenizer.json");
  if (arguments.text) return text_tokens(*tokenizer, *arguments.text, wanted);
  const auto chat_template = read_chat_template(directory);
  if (!chat_template) {
    throw UserError("{}: the model has no chat template; use --text", directory.string());
  }
  return chat_tokens(
      *tokenizer, *chat_template, document_separator(directory, *tokenizer), *arguments.chat, wanted
  );
}

/// Runs rows through the model, and through the reference if there is one.
class Evaluation {
 public:
  Evaluation(BareModel& model, BareModel* reference, int num_threads)
      : model_(model), reference_(reference), pool_(num_threads) {}

  /// Adds the positions of one row, all but its last token's, which nothing follows.
  void add_row(std::span<const int32_t> row) {
    const auto size = static_cast<int64_t>(row.size());
    const int64_t chunk = std::clamp<int64_t>(kMaxLogits / model_.vocab_size(), 1, kMaxChunkTokens);
    for (int64_t begin = 0; begin < size; begin += chunk) {
      const int64_t count = std::min(chunk, size - begin);
      const auto tokens = row.subspan(static_cast<size_t>(begin), static_cast<size_t>(count));
      const auto logits = model_.run(0, begin, tokens, static_cast<int>(count));
      std::span<const float> reference;
      if (reference_ != nullptr) {
        reference = reference_->run(0, begin, tokens, static_cast<int>(count));
      }
      add_positions(logits, reference, row.subspan(static_cast<size_t>(begin) + 1));
    }
  }

  const ScoreSum& sum() const { return sum_; }

 private:
  /// targets: what follows the chunk's tokens, at least until its end or the row's.
  void add_positions(
      std::span<const float> logits, std::span<const float> reference,
      std::span<const int32_t> targets
  ) {
    const auto vocab = static_cast<size_t>(model_.vocab_size());
    std::vector<ScoreSum> scores(std::min(logits.size() / vocab, targets.size()));
    const auto count = static_cast<int64_t>(scores.size());
    pool_.for_each(count, 1, [&](int64_t begin, int64_t end, int) {
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
        const auto row = logits.subspan(i * vocab, vocab);
        scores[i] = reference.empty() ? score(row, targets[i])
                                      : score(row, reference.subspan(i * vocab, vocab), targets[i]);
      }
    });
    // In order, so that the sum does not depend on the threads.
    for (const ScoreSum& one : scores) sum_ += one;
  }

  BareModel& model_;
  BareModel* reference_;
  ThreadPool pool_;
  ScoreSum sum_;
};

int64_t choose_row_tokens(const PerplexityArguments& arguments, const ModelConfig& config) {
  const int64_t limit = config.max_position_embeddings;
  const int64_t row_tokens = arguments.row_tokens.value_or(std::min(kDefaultRowTokens, limit));
  if (row_tokens > limit) {
    throw UserError("--row-tokens {}: the model takes at most {} tokens", row_tokens, limit);
  }
  return row_tokens;
}

/// Throws UserError if the tokenizer knows tokens that the model does not.
void require_known(
    const std::vector<int32_t>& tokens, const ModelConfig& config, const std::string& directory
) {
  const auto highest = std::max_element(tokens.begin(), tokens.end());
  if (highest == tokens.end() || *highest < config.vocab_size) return;
  throw UserError(
      "{}: tokenizer.json gives token {}, which the model with its vocabulary of {} does not have; "
      "they belong to different models",
      directory, *highest, config.vocab_size
  );
}

/// Throws UserError if the reference speaks of other tokens or takes fewer of them.
void require_comparable(
    const std::string& directory, const ModelConfig& config, const std::string& reference,
    int64_t row_tokens
) {
  require_directory(reference);
  const ModelConfig other = read_model_config(reference);
  if (other.vocab_size != config.vocab_size) {
    throw UserError(
        "{}: the reference has {} tokens in its vocabulary and {} has {}; they cannot be compared",
        reference, other.vocab_size, directory, config.vocab_size
    );
  }
  if (other.max_position_embeddings < row_tokens) {
    throw UserError(
        "{}: the reference takes at most {} tokens; use a smaller --row-tokens than {}", reference,
        other.max_position_embeddings, row_tokens
    );
  }
  const std::filesystem::path other_file = std::filesystem::path(reference) / "tokenizer.json";
  if (!std::filesystem::exists(other_file)) return;  // the weights alone can be compared
  const auto ours = Tokenizer::from_file(std::filesystem::path(directory) / "tokenizer.json");
  const auto theirs = Tokenizer::from_file(other_file);
  const auto size = static_cast<int32_t>(std::min(ours->vocab_size(), theirs->vocab_size()));
  for (int32_t id = 0; id < size; ++id) {
    if (ours->id_to_token(id) == theirs->id_to_token(id)) continue;
    throw UserError(
        "{}: token {} of the reference is \"{}\" and that of {} is \"{}\"; they cannot be compared",
        reference, id, theirs->id_to_token(id), directory, ours->id_to_token(id)
    );
  }
}

OrderedJson report(const PerplexityArguments& arguments, const ScoreSum& sum, int64_t rows) {
  const auto positions = static_cast<double>(sum.positions);
  OrderedJson document;
  document["perplexity"] = std::exp(sum.nll / positions);
  document["nll"] = sum.nll / positions;
  document["tokens"] = sum.positions;
  document["rows"] = rows;
  document["cache_type"] = kv_types_name(cache_types(arguments.model));
  document["compare"] = nullptr;
  if (arguments.compare) {
    document["compare"] = {
        {"kl_divergence", sum.kl_divergence / positions},
        {"top1_agreement", static_cast<double>(sum.agreements) / positions},
        {"perplexity", std::exp(sum.reference_nll / positions)},
    };
  }
  return document;
}

void print_report(const OrderedJson& document) {
  print_text(fmt::format(
      "perplexity {:.4f} (nll {:.5f}) over {} positions in {} rows\n",
      document["perplexity"].get<double>(), document["nll"].get<double>(),
      document["tokens"].get<int64_t>(), document["rows"].get<int64_t>()
  ));
  const OrderedJson& compare = document["compare"];
  if (compare.is_null()) return;
  print_text(fmt::format(
      "reference perplexity {:.4f}, KL divergence {:.5f} nats, top-1 agreement {:.2f} %\n",
      compare["perplexity"].get<double>(), compare["kl_divergence"].get<double>(),
      100 * compare["top1_agreement"].get<double>()
  ));
}

int perplexity(const PerplexityArguments& arguments) {
  if (arguments.text.has_value() == arguments.chat.has_value()) {
    throw UsageError("give one of --text and --chat");
  }
  const std::string& directory = arguments.model.model_directory;
  require_directory(directory);
  const ModelConfig config = read_model_config(directory);
  const int64_t row_tokens = choose_row_tokens(arguments, config);
  if (arguments.compare) require_comparable(directory, config, *arguments.compare, row_tokens);
  const auto tokens = evaluation_tokens(arguments, arguments.rows * row_tokens);
  require_known(tokens, config, directory);
  const int64_t rows = std::min(arguments.rows, static_cast<int64_t>(tokens.size()) / row_tokens);
  if (rows == 0) {
    throw UserError(
        "{}: {} tokens are fewer than one row of {}; use a longer text or a smaller --row-tokens",
        arguments.text ? *arguments.text : *arguments.chat, tokens.size(), row_tokens
    );
  }
  if (rows < arguments.rows) {
    print_note(fmt::format("[the text has {} rows of {} tokens only]\n", rows, row_tokens));
  }

  const auto backend = create_backend(arguments.model.backend, backend_options(arguments.model));
  const auto load = [&](const std::string& from, KvTypes types) {
    return load_bare_model(from, *backend, types, 1, row_tokens);
  };
  const auto model = load(directory, cache_types(arguments.model));
  std::unique_ptr<BareModel> reference;
  if (arguments.compare) {
    reference = load(*arguments.compare, same_kv_types(KvType::kFloat16));
  }

  Evaluation evaluation(*model, reference.get(), backend->num_threads());
  ProgressBar bar("Scoring", "tokens");
  for (int64_t row = 0; row < rows; ++row) {
    evaluation.add_row(std::span(tokens).subspan(
        static_cast<size_t>(row * row_tokens), static_cast<size_t>(row_tokens)
    ));
    bar.update(static_cast<double>((row + 1) * row_tokens), static_cast<double>(rows * row_tokens));
  }
  bar.clear();
  const ScoreSum& sum = evaluation.sum();
  if (!std::isfinite(sum.nll)) throw UserError("{}: the model's logits are not finite", directory);

  const OrderedJson document = report(arguments, sum, rows);
  if (arguments.json) {
    print_json(document);
  } else {
    print_report(document);
  }
  return 0;
}

}  // namespace

RunVerb define_perplexity(CLI::App& command) {
  auto arguments = std::make_shared<PerplexityArguments>();
  command.footer(kExamples);
  add_model_option(command, arguments->model)->required();
  command.add_option("--text", arguments->text, "Text file to predict; - = stdin")
      ->type_name("FILE");
  command
      .add_option(
          "--chat", arguments->chat,
          "File of conversations to predict, one JSON document a line; - = stdin"
      )
      ->type_name("FILE");
  whole_number(
      command.add_option("--rows", arguments->rows, "Rows of tokens, each predicted alone"), 1,
      kMostRows
  )
      ->capture_default_str();
  whole_number(
      command.add_option(
          "--row-tokens", arguments->row_tokens,
          "Tokens of a row; without it 1024, or what the model takes if that is less"
      ),
      2, kMostRowTokens
  );
  command
      .add_option(
          "--compare", arguments->compare,
          "Reference model, whose cache is fp16: report KL(reference || model) in nats and top-1 "
          "agreement"
      )
      ->type_name("DIR");
  add_backend_options(command, arguments->model);
  add_cache_type_option(command, arguments->model);
  add_json_flag(command, arguments->json);
  return [arguments] { return perplexity(*arguments); };
}

}  // namespace trellis
