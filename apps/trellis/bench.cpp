// `trellis bench`: speed of prompts and of single tokens, beside the memory bandwidth measured just
// before by the same program. No sampling and no text: what is timed is the model.
#include "apps/trellis/bare_model.h"
#include "apps/trellis/model_arguments.h"
#include "apps/trellis/model_speed.h"
#include "apps/trellis/option_values.h"
#include "apps/trellis/output.h"
#include "apps/trellis/progress_bar.h"
#include "apps/trellis/shapes.h"
#include "apps/trellis/verbs.h"

#include <fmt/ranges.h>

#include <optional>

namespace trellis {
namespace {

constexpr int64_t kMostTokens = int64_t{1} << 20;
constexpr int64_t kMostBatch = 256;
constexpr const char* kExamples =
    "Examples:\n"
    "  trellis bench -m DIR\n"
    "  trellis bench --shape llama-3.2-1b --bits 4 --prompt 512 --generate 128 --threads 2\n"
    "  trellis bench --shape qwen3-0.6b --batch 4 --json\n"
    "  trellis bench --shape llama-3.1-8b --backend cuda --prompt 2048 --chunk 2048 --context "
    "1024\n"
    "A token decoded reads all weights once: its speed times their bytes is the share of the\n"
    "memory bandwidth (GB/s = 10^9 bytes a second), measured just before on the same device.";

struct BenchArguments {
  ModelArguments model;
  std::optional<std::string> shape;
  int bits = 4;
  std::string codebook = "mul1";
  int head_bits = 6;
  int64_t prompt = 512;
  std::optional<int64_t> context;
  int64_t generate = 128;
  int64_t chunk = 512;
  int batch = 1;
  bool json = false;
};

SpeedPlan speed_plan(const BenchArguments& arguments) {
  return {
      arguments.prompt, arguments.context.value_or(arguments.prompt), arguments.generate,
      arguments.chunk
  };
}

int64_t sequence_tokens(const BenchArguments& arguments, const ModelConfig& config) {
  const SpeedPlan plan = speed_plan(arguments);
  if (plan.sequence_tokens() > config.max_position_embeddings) {
    throw UserError(
        "--prompt {}, --context {} and --generate {} are more than the {} tokens that the model "
        "takes",
        plan.prompt, plan.context, plan.generate, config.max_position_embeddings
    );
  }
  return plan.sequence_tokens();
}

std::unique_ptr<BareModel> make_bare_model(const BenchArguments& arguments, Backend& backend) {
  const KvTypes types = cache_types(arguments.model);
  if (!arguments.shape) {
    const std::string& directory = arguments.model.model_directory;
    require_directory(directory);
    const int64_t tokens = sequence_tokens(arguments, read_model_config(directory));
    return load_bare_model(directory, backend, types, arguments.batch, tokens);
  }
  const int64_t tokens = sequence_tokens(arguments, shape_config(*arguments.shape));
  const RandomWeights weights{
      arguments.bits, parse_codebook(arguments.codebook), arguments.head_bits, 0
  };
  return make_random_bare_model(*arguments.shape, weights, backend, types, arguments.batch, tokens);
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
  document["context"] = speed_plan(arguments).context;
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
  const double bandwidth = backend->measure_bandwidth();
  ProgressBar bar("Measuring", "steps");
  const SpeedPlan plan = speed_plan(arguments);
  const Timing prompt = time_prompts(*model, plan, bar);
  const Timing decode = time_decoding(*model, plan, bar);
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
      command.add_option(
          "--context", arguments->context,
          "Tokens in the cache of each sequence when decoding begins; by default those of --prompt"
      ),
      0, kMostTokens
  );
  whole_number(
      command.add_option("--chunk", arguments->chunk, "Prompt tokens of one step"), 1, kMostTokens
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
