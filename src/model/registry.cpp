#include "model/registry.h"

#include "model/arch/llama.h"

namespace trellis {
namespace {

struct Architecture {
  const char* name;  // config.json: architectures[0]
  ModelSpec (*make)(const ModelConfig&);
};

constexpr Architecture kArchitectures[] = {
    {"LlamaForCausalLM", llama},
    {"MistralForCausalLM", llama},
    {"Qwen2ForCausalLM", llama},
    {"Qwen3ForCausalLM", qwen3},
};

}  // namespace

ModelSpec make_model_spec(const ModelConfig& config) {
  std::string supported;
  for (const Architecture& architecture : kArchitectures) {
    if (config.architecture == architecture.name) return architecture.make(config);
    supported += supported.empty() ? "" : ", ";
    supported += architecture.name;
  }
  throw UserError(
      "config.json: architectures: \"{}\" is not supported; supported are {}", config.architecture,
      supported
  );
}

}  // namespace trellis
