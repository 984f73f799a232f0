// `trellis bench`: speed of prompts and of single tokens, beside the memory bandwidth measured just
// before by the same program. No sampling and no text: what is timed is the model.
#include "apps/trellis/bare_model.h"
#include "apps/trellis/memory_plan.h"
#include "apps/trellis/model_arguments.h"
#include "apps/trellis/option_values.h"
#include "apps/trellis/output.h"
#include "apps/trellis/progress_bar.h"
#include "apps/trellis/shapes.h"
#include "apps/trellis/verbs.h"
#include "base/memory_bandwidth.h"
#include "base/thread_pool.h"

#include <fmt/ranges.h>

#include <chrono>
#include <optional>

namespace trellis {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kChunkTokens = 512;
constexpr int64_t kMostTokens = int64_t{1} << 20;
constexpr int64_t kMostBatch = 256;
constexpr const char* kExamples =
    "Examples:\n"
    "  trellis bench -m DIR\n"
    "  trellis bench --shape llama-3.2-1b --bits 4 --prompt 512 --generate 128 --threads 2\n"
    "  trellis bench --shape qwen3-0.6b --batch 4 --json\n"
    "A token decoded reads all weights once: its speed times their bytes is the share of the\n"
    "memory bandwidth (GB/s = 10^9 bytes a second), measured just before by the same threads.";

struct BenchArguments {
  ModelArguments model;
  std::optional<std::string> shape;
  int bits = 4;
  std::string codebook = "mul1";
  int head_bits = 6;
  int64_t prompt = 512;
  int64_t generate = 128;
  int batch = 1;
  bool json = false;
};

struct Timing {
  int64_t tokens = 0;
  double seconds = 0;

  double tokens_per_s() const { return seconds > 0 ? static_cast<double>(tokens) / seconds : 0; }
};

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Any tokens do; these are spread over the vocabulary.
std::vector<int32_t> make_tokens(int64_t count, int64_t vocab) {
  constexpr int64_t kStride = 7919;
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    tokens[static_cast<size_t>(i)] = static_cast<int32_t>((i + 1) * kStride % vocab);
  }
  return tokens;
}

void run_prompt(BareModel& model, int sequence, std::span<const int32_t> tokens) {
  const auto size = static_cast<int64_t>(tokens.size());
  for (int64_t begin = 0; begin < size; begin += kChunkTokens) {
    const int64_t count = std::min(kChunkTokens, size - begin);
    const int num_logits = begin + count == size ? 1 : 0;
    model.run(
        sequence, begin, tokens.subspan(static_cast<size_t>(begin), static_cast<size_t>(count)),
        num_logits
    );
  }
}

Timing time_prompts(BareModel& model, const BenchArguments& arguments, ProgressBar& bar) {
  Timing timing;
  const auto tokens = make_tokens(arguments.prompt, model.vocab_size());
  for (int sequence = 0; sequence < arguments.batch; ++sequence) {
    const Clock::time_point begin = Clock::now();
    run_prompt(model, sequence, tokens);
    timing.seconds += seconds_since(begin);
    timing.tokens += arguments.prompt;
    bar.update(sequence + 1, arguments.batch);
  }
  return timing;
}

Timing time_decoding(BareModel& model, const BenchArguments& arguments, ProgressBar& bar) {
  Timing timing;
  for (int64_t i = 0; i < arguments.generate; ++i) {
    const auto tokens = make_tokens(arguments.batch, model.vocab_size());
    const Clock::time_point begin = Clock::now();
    model.run_all(arguments.prompt + i, tokens);
    timing.seconds += seconds_since(begin);
    timing.tokens += arguments.batch;
    bar.update(static_cast<double>(i + 1), static_cast<double>(arguments.generate));
  }
  return timing;
}

int64_t sequence_tokens(const BenchArguments& arguments, const ModelConfig& config) {
  const int64_t tokens = arguments.prompt + arguments.generate;
  if (tokens > config.max_position_embeddings) {
    throw UserError(
        "--prompt {} and --generate {} are more than the {} tokens that the model takes",
        arguments.prompt, arguments.generate, config.max_position_embeddings
    );
  }
  return tokens;
}

std::unique_ptr<BareModel> make_bare_model(const BenchArguments& arguments, Backend& backend) {
  const KvTypes types = cache_types(arguments.model);
  if (!arguments.shape) {
    const std::string& directory = arguments.model.model_directory;
    require_directory(directory);
    const int64_t tokens = sequence_tokens(arguments, read_model_config(directory));
    return load_bare_model(directory, backend, types, arguments.batch, tokens);
  }
  const ModelConfig config = shape_config(*arguments.shape);
  const int64_t tokens = sequence_tokens(arguments, config);
  const MemoryPlan plan = plan_random_memory(
      config, arguments.bits, arguments.head_bits, types, tokens * arguments.batch
  );
  require_memory(backend, *arguments.shape, plan.total());
  print_note(fmt::format("Making random weights in the shape of {}\n", *arguments.shape));
  const RandomWeights weights{
      arguments.bits, parse_codebook(arguments.codebook), arguments.head_bits, 0
  };
  return std::make_unique<BareModel>(
      make_random_model(config, weights, backend), backend, types, arguments.batch, tokens
  );
}

OrderedJson report(
    const BenchArguments& arguments, const Backend& backend, const Model& model,
    const Timing& prompt, const Timing& decode, double bandwidth
) {
  const double steps_per_s = decode.tokens_per_s() / arguments.batch;
  const double weight_gb_per_s = static_cast<double>(model.weight_bytes()) * steps_per_s / 1e9;
  OrderedJson document;
  document["decode_tokens_per_s"] = decode.tokens_per_s();
  document["prompt_tokens_per_s"] = prompt.tokens_per_s();
  document["weight_gb_per_s"] = weight_gb_per_s;
  document["bandwidth_gb_per_s"] = bandwidth;
  document["bandwidth_share"] = weight_gb_per_s / bandwidth;
  document["isa"] = backend.isa();
  document["threads"] = backend.num_threads();
  document["backend"] = backend.name();
  document["activations"] = arguments.model.activations;
  document["model"] = arguments.shape ? *arguments.shape : arguments.model.model_directory;
  document["weight_bytes"] = model.weight_bytes();
  document["cache_type"] = kv_types_name(cache_types(arguments.model));
  document["prompt"] = arguments.prompt;
  document["generate"] = arguments.generate;
  document["batch"] = arguments.batch;
  return document;
}

void print_report(const OrderedJson& document) {
  const auto number = [&](const char* key) { return document[key].get<double>(); };
  print_text(fmt::format(
      "{}: {} {}, {} threads, {} of weights\n"
      "  prompt {:10.1f} tokens/s\n"
      "  decode {:10.1f} tokens/s, {:.2f} GB/s of weights = {:.0f} % of the {:.2f} GB/s measured\n",
      document["model"].get<std::string>(), document["backend"].get<std::string>(),
      document["isa"].get<std::string>(), document["threads"].get<int>(),
      format_quantity(number("weight_bytes"), "B"), number("prompt_tokens_per_s"),
      number("decode_tokens_per_s"), number("weight_gb_per_s"), 100 * number("bandwidth_share"),
      number("bandwidth_gb_per_s")
  ));
}

int bench(const BenchArguments& arguments) {
  if (arguments.shape.has_value() != arguments.model.model_directory.empty()) {
    throw UsageError("give one of --model and --shape");
  }
  const auto backend = create_backend(arguments.model.backend, backend_options(arguments.model));
  const auto model = make_bare_model(arguments, *backend);
  double bandwidth = 0;  // GB/s
  {
    ThreadPool pool(backend->num_threads());
    bandwidth = measure_read_bandwidth(pool);
  }
  ProgressBar bar("Measuring", "steps");
  run_prompt(
      *model, 0,
      make_tokens(
          std::min<int64_t>(8, arguments.prompt + arguments.generate),
          model->vocab_size()
      )
  );  // touches every weight once
  const Timing prompt = time_prompts(*model, arguments, bar);
  const Timing decode = time_decoding(*model, arguments, bar);
  bar.clear();
  const OrderedJson document =
      report(arguments, *backend, model->model(), prompt, decode, bandwidth);
  if (arguments.json) {
    print_json(document);
  } else {
    print_report(document);
  }
  return 0;
}

}  // namespace

RunVerb define_bench(CLI::App& command) {
  auto arguments = std::make_shared<BenchArguments>();
  command.footer(kExamples);
  CLI::Option* model = add_model_option(command, arguments->model);
  CLI::Option* shape = one_of(
      command.add_option(
          "--shape", arguments->shape,
          fmt::format(
              "Random weights in the shape of a known model:\n{}", fmt::join(shape_names(), "\n")
          )
      ),
      shape_names()
  );
  shape->type_name("NAME")->excludes(model);
  whole_number(command.add_option("--bits", arguments->bits, "Bits per weight of the shape"), 1, 8)
      ->needs(shape)
      ->capture_default_str();
  add_codebook_option(command, arguments->codebook)->needs(shape);
  whole_number(
      command.add_option("--head-bits", arguments->head_bits, "Bits of the shape's head"), 1, 8
  )
      ->needs(shape)
      ->capture_default_str();
  whole_number(
      command.add_option("--prompt", arguments->prompt, "Prompt tokens of each sequence"), 0,
      kMostTokens
  )
      ->capture_default_str();
  whole_number(
      command.add_option("--generate", arguments->generate, "Tokens to decode in each sequence"), 1,
      kMostTokens
  )
      ->capture_default_str();
  whole_number(
      command.add_option("--batch", arguments->batch, "Sequences side by side"), 1, kMostBatch
  )
      ->capture_default_str();
  add_cache_type_option(command, arguments->model);
  add_backend_options(command, arguments->model);
  add_json_flag(command, arguments->json);
  return [arguments] { return bench(*arguments); };
}

}  // namespace trellis
