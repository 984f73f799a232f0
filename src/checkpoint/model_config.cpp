#include "checkpoint/model_config.h"

#include "base/error.h"
#include "base/json.h"
#include "checkpoint/token_ids.h"

#include <algorithm>

namespace trellis {
namespace {

constexpr int64_t kMaxSize = 1 << 24;  // of any dimension of a weight
constexpr int64_t kMaxLayers = 4096;
constexpr int64_t kMaxHeads = 1 << 16;

/// Where an architecture's biases are: fixed by it, or told by attention_bias.
enum class AttentionBias : uint8_t { kNone, kConfigured, kInputsOnly };
/// Which layers see a window.
enum class Windows : uint8_t { kNone, kEveryLayer, kByLayerType };

/// What an architecture takes for granted when config.json is silent. Source: the configuration
/// classes of Hugging Face transformers 5.
struct Defaults {
  const char* architecture;
  const char* model_type;
  int64_t max_position_embeddings;
  int64_t num_key_value_heads;  // 0 = num_attention_heads
  int64_t head_dim;             // 0 = hidden_size / num_attention_heads
  std::optional<int32_t> bos_token_id;
  std::optional<int32_t> eos_token_id;
  AttentionBias attention_bias;
  bool mlp_bias_configurable;
  Windows windows;
};

constexpr Defaults kDefaults[] = {
    {"LlamaForCausalLM", "llama", 2048, 0, 0, 1, 2, AttentionBias::kConfigured, true, Windows::kNone
    },
    {"MistralForCausalLM", "mistral", 131072, 8, 0, 1, 2, AttentionBias::kNone, false,
     Windows::kEveryLayer},
    {"Qwen2ForCausalLM",
     "qwen2",
     32768,
     32,
     0,
     {},
     {},
     AttentionBias::kInputsOnly,
     false,
     Windows::kByLayerType},
    {"Qwen3ForCausalLM",
     "qwen3",
     32768,
     32,
     128,
     {},
     {},
     AttentionBias::kConfigured,
     false,
     Windows::kByLayerType},
};

std::string read_architecture(const JsonObject& root) {
  const Json* list = root.find("architectures");
  if (list == nullptr) return "";
  if (!list->is_array() || list->empty() || !list->front().is_string()) {
    throw UserError(
        "{} must be a list of names, found {}", root.where("architectures"),
        list->dump().substr(0, 60)
    );
  }
  return list->front().get<std::string>();
}

/// The row of the architecture, or of the model type where no such architecture is known: whether a
/// model can be built is the registry's to say.
const Defaults& find_defaults(const JsonObject& root, const ModelConfig& config) {
  for (const Defaults& row : kDefaults) {
    if (config.architecture != row.architecture) continue;
    if (!config.model_type.empty() && config.model_type != row.model_type) {
      throw UserError(
          "{} \"{}\" does not belong to {}; expected \"{}\"", root.where("model_type"),
          config.model_type, row.architecture, row.model_type
      );
    }
    return row;
  }
  std::string supported;
  for (const Defaults& row : kDefaults) {
    if (config.model_type == row.model_type) return row;
    supported += supported.empty() ? "" : ", ";
    supported += row.architecture;
  }
  if (config.architecture.empty() && config.model_type.empty()) {
    throw UserError("{} is missing; supported are {}", root.where("architectures"), supported);
  }
  const bool named = !config.architecture.empty();
  throw UserError(
      "{} \"{}\" is not supported; supported are {}",
      root.where(named ? "architectures" : "model_type"),
      named ? config.architecture : config.model_type, supported
  );
}

void read_sizes(const JsonObject& root, const Defaults& defaults, ModelConfig& config) {
  config.hidden_size = root.required_int("hidden_size", 1, kMaxSize);
  config.intermediate_size = root.required_int("intermediate_size", 1, kMaxSize);
  config.num_hidden_layers = root.required_int("num_hidden_layers", 1, kMaxLayers);
  config.num_attention_heads = root.required_int("num_attention_heads", 1, kMaxHeads);
  config.vocab_size = root.required_int("vocab_size", 1, kMaxSize);
  config.max_position_embeddings = root.optional_int("max_position_embeddings", 1, INT32_MAX)
                                       .value_or(defaults.max_position_embeddings);

  // An explicit null means one key head per query head; absence means the architecture's default.
  const bool is_null = root.value().contains("num_key_value_heads");
  const int64_t fallback = is_null || defaults.num_key_value_heads == 0
                               ? config.num_attention_heads
                               : defaults.num_key_value_heads;
  config.num_key_value_heads =
      root.optional_int("num_key_value_heads", 1, kMaxHeads).value_or(fallback);
  if (config.num_attention_heads % config.num_key_value_heads != 0) {
    throw UserError(
        "{} ({}) must divide num_attention_heads ({})", root.where("num_key_value_heads"),
        config.num_key_value_heads, config.num_attention_heads
    );
  }

  config.head_dim = root.optional_int("head_dim", 1, kMaxSize).value_or(defaults.head_dim);
  if (config.head_dim == 0) {
    if (config.hidden_size % config.num_attention_heads != 0) {
      throw UserError(
          "{} ({}) must be a multiple of num_attention_heads ({}) where head_dim is absent",
          root.where("hidden_size"), config.hidden_size, config.num_attention_heads
      );
    }
    config.head_dim = config.hidden_size / config.num_attention_heads;
  }
  if (config.head_dim % 2 != 0) {
    throw UserError("{} must be even, found {}", root.where("head_dim"), config.head_dim);
  }
  if (config.head_dim > kMaxSize / config.num_attention_heads) {
    throw UserError(
        "{} ({}) times num_attention_heads ({}) exceeds {}", root.where("head_dim"),
        config.head_dim, config.num_attention_heads, kMaxSize
    );
  }
}

void read_biases(const JsonObject& root, const Defaults& defaults, ModelConfig& config) {
  switch (defaults.attention_bias) {
    case AttentionBias::kNone:
      break;
    case AttentionBias::kInputsOnly:
      config.attention_bias = true;
      break;
    case AttentionBias::kConfigured:
      config.attention_bias = root.optional_bool("attention_bias").value_or(false);
      config.attention_output_bias = config.attention_bias;
      break;
  }
  if (defaults.mlp_bias_configurable) {
    config.mlp_bias = root.optional_bool("mlp_bias").value_or(false);
  }
}

/// The configured window in positions, 0 where it is null.
int read_window(const JsonObject& root) {
  constexpr int64_t kDefaultWindow = 4096;
  if (root.value().contains("sliding_window") && !root.has("sliding_window")) return 0;
  return static_cast<int>(root.optional_int("sliding_window", 1, INT32_MAX).value_or(kDefaultWindow)
  );
}

std::vector<int> windows_by_layer_type(const JsonObject& root, int64_t num_layers) {
  const bool used = root.optional_bool("use_sliding_window").value_or(false);
  const int window = used ? read_window(root) : 0;
  std::vector<int> windows(static_cast<size_t>(num_layers), 0);
  const Json* types = root.find("layer_types");
  if (types == nullptr) {
    constexpr int64_t kDefaultFirst = 28;
    const auto first = root.optional_int("max_window_layers", 0, INT32_MAX).value_or(kDefaultFirst);
    for (int64_t i = first; i < num_layers; ++i) windows[static_cast<size_t>(i)] = window;
    return windows;
  }
  if (!types->is_array() || types->size() != windows.size()) {
    throw UserError(
        "{} must list one kind for each of {} layers", root.where("layer_types"), num_layers
    );
  }
  for (size_t i = 0; i < windows.size(); ++i) {
    const Json& type = (*types)[i];
    const std::string name = type.is_string() ? type.get<std::string>() : "";
    if (name == "full_attention") continue;
    const std::string where = fmt::format("{}[{}]", root.where("layer_types"), i);
    if (name != "sliding_attention") {
      throw UserError(
          "{} must be \"full_attention\" or \"sliding_attention\", found {}", where,
          type.dump().substr(0, 60)
      );
    }
    if (window == 0) {
      throw UserError(
          "{} is \"sliding_attention\", but use_sliding_window and sliding_window set no window",
          where
      );
    }
    windows[i] = window;
  }
  return windows;
}

std::vector<int> read_windows(
    const JsonObject& root, const Defaults& defaults, int64_t num_layers
) {
  switch (defaults.windows) {
    case Windows::kNone:
      break;
    case Windows::kEveryLayer:
      return std::vector<int>(static_cast<size_t>(num_layers), read_window(root));
    case Windows::kByLayerType:
      return windows_by_layer_type(root, num_layers);
  }
  return std::vector<int>(static_cast<size_t>(num_layers), 0);
}

Activation read_activation(const JsonObject& root) {
  const std::string name = root.optional_string("hidden_act").value_or("silu");
  // Two names of the same function.
  if (name != "silu" && name != "swish") {
    throw UserError(
        "{} \"{}\" is not supported; supported is silu", root.where("hidden_act"), name
    );
  }
  return Activation::kSilu;
}

void read_special_tokens(const JsonObject& root, const Defaults& defaults, ModelConfig& config) {
  config.bos_token_id = root.value().contains("bos_token_id") ? read_token_id(root, "bos_token_id")
                                                              : defaults.bos_token_id;
  if (root.value().contains("eos_token_id")) {
    config.eos_token_ids = read_token_ids(root, "eos_token_id");
  } else if (defaults.eos_token_id) {
    config.eos_token_ids = {*defaults.eos_token_id};
  }
}

}  // namespace

ModelConfig parse_model_config(const Json& document, const std::string& origin) {
  const JsonObject root(document, origin);

  ModelConfig config;
  config.architecture = read_architecture(root);
  config.model_type = root.optional_string("model_type").value_or("");
  const Defaults& defaults = find_defaults(root, config);
  if (config.architecture.empty()) config.architecture = defaults.architecture;
  if (config.model_type.empty()) config.model_type = defaults.model_type;

  // Before the sizes: a foreign quantization is the more helpful thing to hear about.
  const auto quantization = root.optional_object("quantization_config");
  if (quantization) config.quantization = read_quantization_config(*quantization);

  read_sizes(root, defaults, config);
  config.rms_norm_eps = root.optional_number("rms_norm_eps").value_or(1e-6);
  if (config.rms_norm_eps < 0.0 || config.rms_norm_eps > 1.0) {
    throw UserError(
        "{} must be between 0 and 1, found {}", root.where("rms_norm_eps"), config.rms_norm_eps
    );
  }
  config.rope = read_rope_config(root);
  config.tie_word_embeddings = root.optional_bool("tie_word_embeddings").value_or(false);
  read_biases(root, defaults, config);
  config.layer_windows = read_windows(root, defaults, config.num_hidden_layers);
  config.activation = read_activation(root);
  read_special_tokens(root, defaults, config);
  return config;
}

ModelConfig read_model_config(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / "config.json";
  return parse_model_config(read_json_file(path), path.string());
}

}  // namespace trellis
