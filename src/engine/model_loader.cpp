#include "trellis/model_loader.h"

#include "backend/backend.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/model_config.h"
#include "engine/cache_plan.h"
#include "engine/memory_plan.h"

namespace trellis {
namespace {

class EngineLoader final : public ModelLoader {
 public:
  size_t available_memory(const EngineOptions& options) override {
    BackendOptions backend;
    backend.num_threads = options.num_threads;
    backend.device = options.device;
    return create_backend(options.backend, backend)->available_memory();
  }

  ModelSummary summarize(const EngineOptions& options) override {
    const ModelConfig config = read_model_config(options.model_directory);
    ModelSummary summary;
    summary.architecture = config.architecture;
    summary.format = config.quantization ? config.quantization->quant_method : "dense";
    if (config.quantization) summary.bits = config.quantization->bits;
    summary.context_tokens = plan_cache(options, config).context_tokens;
    return summary;
  }

  size_t plan(EngineOptions& options, size_t available_bytes) override {
    const ModelConfig config = read_model_config(options.model_directory);
    const Checkpoint checkpoint(options.model_directory);
    const CachePlan asked = plan_cache(options, config);
    const MemoryPlan plan =
        plan_memory(options, config, options.model_directory, checkpoint.bytes(), available_bytes);
    if (plan.cache.bytes() != asked.bytes()) {
      options.context_tokens = plan.cache.context_tokens;
      options.cache_tokens = plan.cache.cache_tokens();
      options.cache_type = kv_types_name(plan.cache.spec.types);
    }
    return plan.total();
  }

  std::unique_ptr<Engine> load(const EngineOptions& options, const Engine::Progress& progress)
      override {
    return Engine::load(options, progress);
  }
};

}  // namespace

std::unique_ptr<ModelLoader> make_model_loader() {
  return std::make_unique<EngineLoader>();
}

}  // namespace trellis
