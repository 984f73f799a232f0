// Options that several verbs share: which model, on which backend, with which cache.
#pragma once

#include "backend/backend.h"
#include "exl3/codebook.h"
#include "trellis/engine.h"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <memory>
#include <string>

namespace trellis {

struct ModelArguments {
  std::string model_directory;
  std::string backend = "auto";
  int device = 0;  // which GPU
  int num_threads = 0;
  std::string activations = "auto";
  int64_t context_tokens = 0;  // 0: the model's own limit
  int64_t cache_tokens = 0;    // of all answers together; 0: one context
  std::string cache_type = "fp16";
  int64_t host_cache_bytes = 0;
  std::string cache_directory;  // empty: none
  int64_t cache_directory_bytes = EngineOptions{}.cache_directory_bytes;
  bool fit = false;  // make the cache as small as memory asks for
  int max_sequences = EngineOptions{}.max_sequences;
  int max_step_tokens = EngineOptions{}.max_step_tokens;
  bool deterministic = false;  // on a GPU, too, nothing depends on what runs beside an answer
};

/// -m
CLI::Option* add_model_option(CLI::App& command, ModelArguments& arguments);
/// --backend, --device, --threads, --activations
void add_backend_options(CLI::App& command, ModelArguments& arguments);
/// --context, --cache-type
void add_cache_options(CLI::App& command, ModelArguments& arguments);
/// --cache-tokens
void add_cache_tokens_option(CLI::App& command, ModelArguments& arguments);
/// --host-cache, --cache-dir, --cache-dir-size
void add_cache_tier_options(CLI::App& command, ModelArguments& arguments);
/// --cache-type
void add_cache_type_option(CLI::App& command, ModelArguments& arguments);
/// --fit
void add_fit_flag(CLI::App& command, ModelArguments& arguments);
/// --max-sequences, --max-step-tokens
void add_step_options(CLI::App& command, ModelArguments& arguments);
/// --deterministic
void add_deterministic_flag(CLI::App& command, ModelArguments& arguments);
/// --threads
void add_threads_option(CLI::App& command, int& num_threads);
/// --codebook: a name that parse_codebook() knows
CLI::Option* add_codebook_option(CLI::App& command, std::string& codebook);
/// --json
CLI::Option* add_json_flag(CLI::App& command, bool& json);

/// Throws UserError unless directory is one.
void require_directory(const std::string& directory);
/// Throws UserError if the model in directory takes fewer tokens than that.
void require_context(const std::string& directory, int64_t context_tokens);
/// "3inst", "mcg" or "mul1".
exl3::Codebook parse_codebook(const std::string& name);
BackendOptions backend_options(const ModelArguments& arguments);
EngineOptions engine_options(const ModelArguments& arguments);
KvTypes cache_types(const ModelArguments& arguments);

/// Throws UserError unless the model's directory is there and takes as long a context.
void require_model(const ModelArguments& arguments);

/// Loads the model, with a progress bar on stderr. Throws UserError.
std::unique_ptr<Engine> load_engine(const ModelArguments& arguments);

}  // namespace trellis
