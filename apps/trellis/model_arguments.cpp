#include "apps/trellis/model_arguments.h"

#include "apps/trellis/option_values.h"
#include "apps/trellis/progress_bar.h"
#include "checkpoint/model_config.h"

#include <filesystem>

namespace trellis {
namespace {

constexpr int kMaxThreads = 1024;
constexpr int kMostDevices = 63;
constexpr int kMostSequences = 1024;
constexpr int kMostStepTokens = 65536;
constexpr const char* kMachineGroup = "Memory and machine";

}  // namespace

CLI::Option* add_model_option(CLI::App& command, ModelArguments& arguments) {
  return command
      .add_option(
          "-m,--model", arguments.model_directory,
          "Model directory: EXL3, or plain fp16, bf16, fp32"
      )
      ->type_name("DIR");
}

void add_backend_options(CLI::App& command, ModelArguments& arguments) {
  one_of(
      command.add_option("--backend", arguments.backend, "What computes; auto = the fastest here"),
      {"auto", "cuda", "cpu", "reference"}
  )
      ->capture_default_str()
      ->group(kMachineGroup);
  whole_number(
      command.add_option(
          "--device", arguments.device, "Which GPU, as \"trellis devices\" numbers them"
      ),
      0, kMostDevices
  )
      ->capture_default_str()
      ->group(kMachineGroup);
  add_threads_option(command, arguments.num_threads);
  one_of(
      command.add_option(
          "--activations", arguments.activations,
          "Input of linear layers and of attention: auto may round it, fp32 never does"
      ),
      {"auto", "fp32"}
  )
      ->capture_default_str()
      ->group(kMachineGroup);
}

void add_cache_options(CLI::App& command, ModelArguments& arguments) {
  whole_number(
      command.add_option(
          "--context", arguments.context_tokens,
          "Most tokens of prompt and answer together; 0 = the model's limit, at most 32768"
      ),
      0
  )
      ->capture_default_str()
      ->group(kMachineGroup);
  add_cache_type_option(command, arguments);
}

void add_cache_tokens_option(CLI::App& command, ModelArguments& arguments) {
  whole_number(
      command.add_option(
          "--cache-tokens", arguments.cache_tokens,
          "Tokens that the cache holds of all answers together; 0 = one context"
      ),
      0
  )
      ->capture_default_str()
      ->group(kMachineGroup);
}

void add_cache_tier_options(CLI::App& command, ModelArguments& arguments) {
  byte_size(command.add_option(
                "--host-cache", arguments.host_cache_bytes,
                "The host's memory for what a GPU's cache has no room for, e.g. 4GiB"
            ))
      ->capture_default_str()
      ->group(kMachineGroup);
  command
      .add_option(
          "--cache-dir", arguments.cache_directory,
          "Directory that keeps computed prompts beyond the end of the program"
      )
      ->type_name("DIR")
      ->group(kMachineGroup);
  byte_size(command.add_option(
                "--cache-dir-size", arguments.cache_directory_bytes, "What it may hold; 16GiB"
            ))
      ->group(kMachineGroup);
}

void add_fit_flag(CLI::App& command, ModelArguments& arguments) {
  command
      .add_flag(
          "--fit", arguments.fit,
          "Where memory is short, cache in fewer bits (down to q4), then fewer tokens"
      )
      ->group(kMachineGroup);
}

void add_step_options(CLI::App& command, ModelArguments& arguments) {
  whole_number(
      command.add_option(
          "--max-sequences", arguments.max_sequences, "Most answers that are computed side by side"
      ),
      1, kMostSequences
  )
      ->capture_default_str()
      ->group(kMachineGroup);
  whole_number(
      command.add_option(
          "--max-step-tokens", arguments.max_step_tokens,
          "Most tokens of one step: one of each running answer, the rest of prompts"
      ),
      1, kMostStepTokens
  )
      ->capture_default_str()
      ->group(kMachineGroup);
}

void add_deterministic_flag(CLI::App& command, ModelArguments& arguments) {
  command
      .add_flag(
          "--deterministic", arguments.deterministic,
          "On a GPU, too: bits that no other answer and no cut of the prompt changes; slower "
          "prompts"
      )
      ->group(kMachineGroup);
}

void add_cache_type_option(CLI::App& command, ModelArguments& arguments) {
  kv_types(command.add_option(
               "--cache-type", arguments.cache_type,
               "Cached keys and values: fp16, fp32, q2 to q8 (bits), or a pair such as q8,q4"
           ))
      ->capture_default_str()
      ->group(kMachineGroup);
}

void add_threads_option(CLI::App& command, int& num_threads) {
  whole_number(
      command.add_option("--threads", num_threads, "Threads; 0 = one per CPU"), 0, kMaxThreads
  )
      ->capture_default_str()
      ->group(kMachineGroup);
}

CLI::Option* add_codebook_option(CLI::App& command, std::string& codebook) {
  return one_of(
             command.add_option("--codebook", codebook, "Codebook of the weights"),
             {"3inst", "mcg", "mul1"}
  )
      ->capture_default_str();
}

CLI::Option* add_json_flag(CLI::App& command, bool& json) {
  return command.add_flag(
      "--json", json, "Print one JSON document on stdout, and nothing else there"
  );
}

void require_directory(const std::string& directory) {
  if (directory.empty()) throw UserError("the name of the model directory is empty");
  std::error_code ignored;
  if (std::filesystem::is_directory(directory, ignored)) return;
  if (!std::filesystem::exists(directory, ignored)) {
    throw UserError("{}: no such model directory", directory);
  }
  throw UserError("{}: is a file; name the model directory that holds config.json", directory);
}

void require_context(const std::string& directory, int64_t context_tokens) {
  const int64_t limit = read_model_config(directory).max_position_embeddings;
  if (context_tokens <= limit) return;
  throw UserError(
      "--context {}: the model takes at most {} tokens (max_position_embeddings in {})",
      context_tokens, limit, (std::filesystem::path(directory) / "config.json").string()
  );
}

exl3::Codebook parse_codebook(const std::string& name) {
  for (const auto codebook :
       {exl3::Codebook::k3inst, exl3::Codebook::kMcg, exl3::Codebook::kMul1}) {
    if (name == exl3::codebook_name(codebook)) return codebook;
  }
  throw UserError("--codebook: expected 3inst, mcg or mul1, found \"{}\"", name);
}

BackendOptions backend_options(const ModelArguments& arguments) {
  BackendOptions options;
  options.num_threads = arguments.num_threads;
  options.device = arguments.device;
  if (arguments.activations == "fp32") options.activations = ActivationPrecision::kFloat32;
  return options;
}

KvTypes cache_types(const ModelArguments& arguments) {
  return require_kv_types(arguments.cache_type);
}

EngineOptions engine_options(const ModelArguments& arguments) {
  EngineOptions options;
  options.model_directory = arguments.model_directory;
  options.backend = arguments.backend;
  options.device = arguments.device;
  options.num_threads = arguments.num_threads;
  options.exact_activations = arguments.activations == "fp32";
  options.context_tokens = arguments.context_tokens;
  options.cache_tokens = arguments.cache_tokens;
  options.cache_type = arguments.cache_type;
  options.host_cache_bytes = arguments.host_cache_bytes;
  options.cache_directory = arguments.cache_directory;
  options.cache_directory_bytes = arguments.cache_directory_bytes;
  options.fit = arguments.fit;
  options.max_sequences = arguments.max_sequences;
  options.max_step_tokens = arguments.max_step_tokens;
  options.deterministic = arguments.deterministic;
  return options;
}

void require_model(const ModelArguments& arguments) {
  require_directory(arguments.model_directory);
  require_context(arguments.model_directory, arguments.context_tokens);
}

std::unique_ptr<Engine> load_engine(const ModelArguments& arguments) {
  require_model(arguments);
  ProgressBar bar("Loading", "B");
  return Engine::load(engine_options(arguments), [&bar](size_t done, size_t total) {
    bar.update(static_cast<double>(done), static_cast<double>(total));
  });
}

}  // namespace trellis
