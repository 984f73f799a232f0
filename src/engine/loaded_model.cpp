#include "engine/loaded_model.h"

#include "base/error.h"
#include "base/host_memory.h"
#include "checkpoint/checkpoint.h"
#include "engine/memory_plan.h"
#include "engine/page_origin.h"

#include <algorithm>
#include <utility>

namespace trellis {
namespace {

/// The token budget of a step: where answers may not depend on each other, no more tokens than rows
/// that do not.
int max_step_tokens_on(const Backend& backend, const EngineOptions& options) {
  if (!options.deterministic) return options.max_step_tokens;
  const int64_t rows = backend.independent_rows();
  if (options.max_sequences > rows) {
    throw UserError(
        "deterministic answers on {} need max_sequences of at most {}, found {}", backend.isa(),
        rows, options.max_sequences
    );
  }
  return static_cast<int>(std::min<int64_t>(options.max_step_tokens, rows));
}

/// Null where there is none.
std::unique_ptr<PageDirectory> open_cache_directory(
    const EngineOptions& options, const Backend& backend, const CacheSpec& spec
) {
  if (options.cache_directory.empty()) return nullptr;
  PageDirectoryOptions directory;
  directory.path = options.cache_directory;
  directory.max_bytes = static_cast<size_t>(options.cache_directory_bytes);
  directory.origin = page_origin(options, backend, spec);
  directory.page_bytes = CacheStorage::bytes_per_page(spec);
  return std::make_unique<PageDirectory>(std::move(directory));
}

}  // namespace

void check_options(const EngineOptions& options) {
  const auto at_least = [](const char* name, int64_t value, int64_t minimum) {
    if (value < minimum) throw UserError("{} must be at least {}, found {}", name, minimum, value);
  };
  at_least("max_sequences", options.max_sequences, 1);
  at_least("max_step_tokens", options.max_step_tokens, 1);
  at_least("context_tokens", options.context_tokens, 0);
  at_least("cache_tokens", options.cache_tokens, 0);
  at_least("host_cache_bytes", options.host_cache_bytes, 0);
  at_least("cache_directory_bytes", options.cache_directory_bytes, 0);
  at_least("num_threads", options.num_threads, 0);
}

LoadedModel load_model_and_cache(
    const EngineOptions& options, const ModelConfig& config, const Engine::Progress& progress
) {
  LoadedModel loaded;
  BackendOptions backend_options;
  backend_options.num_threads = options.num_threads;
  backend_options.device = options.device;
  if (options.exact_activations) backend_options.activations = ActivationPrecision::kFloat32;
  loaded.backend = create_backend(options.backend, backend_options);
  loaded.max_step_tokens = max_step_tokens_on(*loaded.backend, options);
  const Checkpoint checkpoint(options.model_directory);

  const CachePlan plan = plan_memory(
                             options, config, options.model_directory, checkpoint.bytes(),
                             loaded.backend->available_memory()
  )
                             .cache;
  require_host_cache(plan, available_host_memory());
  std::unique_ptr<PageDirectory> directory =
      open_cache_directory(options, *loaded.backend, plan.spec);

  loaded.model = load_model(checkpoint, config, *loaded.backend, progress);
  loaded.cache = std::make_unique<CacheStorage>(*loaded.backend, plan.spec, plan.num_pages);
  loaded.pages = std::make_unique<PagePool>(plan.num_pages);
  loaded.prefixes = std::make_unique<PrefixCache>(
      *loaded.pages, directory != nullptr ? directory->key() : random_sip_key()
  );
  loaded.tiers = std::make_unique<CacheTiers>(
      *loaded.backend, *loaded.cache, plan.spec, plan.num_host_pages, std::move(directory)
  );
  loaded.runner = std::make_unique<ModelRunner>(*loaded.model, *loaded.backend, *loaded.cache);

  ModelInfo& info = loaded.info;
  info.architecture = config.architecture;
  info.vocab_size = config.vocab_size;
  info.hidden_size = config.hidden_size;
  info.context_tokens = plan.context_tokens;
  info.weight_bytes = loaded.model->weight_bytes();
  info.cache_bytes = loaded.cache->bytes();
  info.cache_type = kv_types_name(plan.spec.types);
  info.backend = fmt::format(
      "{} {}, {} threads", loaded.backend->name(), loaded.backend->isa(),
      loaded.backend->num_threads()
  );
  return loaded;
}

}  // namespace trellis
