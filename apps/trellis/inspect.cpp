// `trellis inspect`: what a model directory holds, how many bits its weights take, and what it
// needs in memory.
#include "apps/trellis/layer_summary.h"
#include "apps/trellis/model_arguments.h"
#include "apps/trellis/output.h"
#include "apps/trellis/progress_bar.h"
#include "apps/trellis/verbs.h"
#include "apps/trellis/weight_sizes.h"
#include "base/host_memory.h"
#include "engine/memory_plan.h"
#include "model/registry.h"

#include <algorithm>

namespace trellis {
namespace {

constexpr const char* kExamples =
    "Examples:\n"
    "  trellis inspect DIR\n"
    "  trellis inspect DIR --context 8192 --cache-type q8,q4    memory for that context\n"
    "  trellis inspect DIR --json";

struct InspectArguments {
  ModelArguments model;
  bool tensors = false;
  bool json = false;
};

OrderedJson optional_json(const auto& value) {
  return value ? OrderedJson(*value) : nullptr;
}

OrderedJson linear_json(const LinearSummary& linear) {
  OrderedJson document;
  document["name"] = linear.key;
  document["in"] = linear.in;
  document["out"] = linear.out;
  document["format"] = linear.dtype;
  document["bits"] = optional_json(linear.bits);
  document["codebook"] = nullptr;
  if (linear.codebook) document["codebook"] = exl3::codebook_name(*linear.codebook);
  document["bytes"] = linear.bytes;
  document["bits_per_weight"] = linear.bits_per_weight();
  return document;
}

OrderedJson architecture_json(const ModelConfig& config) {
  OrderedJson document;
  document["architecture"] = config.architecture;
  document["model_type"] = config.model_type;
  document["hidden_size"] = config.hidden_size;
  document["intermediate_size"] = config.intermediate_size;
  document["num_hidden_layers"] = config.num_hidden_layers;
  document["num_attention_heads"] = config.num_attention_heads;
  document["num_key_value_heads"] = config.num_key_value_heads;
  document["head_dim"] = config.head_dim;
  document["vocab_size"] = config.vocab_size;
  document["max_position_embeddings"] = config.max_position_embeddings;
  document["tie_word_embeddings"] = config.tie_word_embeddings;
  document["quantization"] = nullptr;
  if (const auto& quantization = config.quantization) {
    OrderedJson& fields = document["quantization"];
    fields["quant_method"] = quantization->quant_method;
    fields["version"] = quantization->version;
    fields["bits"] = optional_json(quantization->bits);
    fields["head_bits"] = optional_json(quantization->head_bits);
    fields["codebook"] = nullptr;
    if (quantization->codebook) fields["codebook"] = exl3::codebook_name(*quantization->codebook);
  }
  return document;
}

OrderedJson layers_json(const Checkpoint& checkpoint, const ModelSpec& spec) {
  OrderedJson layers = OrderedJson::array();
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    const auto linears = summarize_layer(checkpoint, spec.layers[i]);
    OrderedJson layer;
    layer["index"] = i;
    layer["bits_per_weight"] = bits_per_weight(linears);
    layer["linears"] = OrderedJson::array();
    for (const LinearSummary& linear : linears) layer["linears"].push_back(linear_json(linear));
    layers.push_back(std::move(layer));
  }
  return layers;
}

double average_bits_per_weight(const Checkpoint& checkpoint, const ModelSpec& spec) {
  std::vector<LinearSummary> all;
  for (const LayerSpec& layer : spec.layers) {
    const auto linears = summarize_layer(checkpoint, layer);
    all.insert(all.end(), linears.begin(), linears.end());
  }
  return bits_per_weight(all);
}

OrderedJson tensors_json(const Checkpoint& checkpoint) {
  OrderedJson tensors = OrderedJson::array();
  for (const std::string& name : checkpoint.names()) {
    const ConstTensor tensor = checkpoint.tensor(name);
    OrderedJson shape = OrderedJson::array();
    for (int axis = 0; axis < tensor.rank(); ++axis) shape.push_back(tensor.dim(axis));
    tensors.push_back(
        {{"name", name},
         {"dtype", dtype_name(tensor.dtype())},
         {"shape", std::move(shape)},
         {"bytes", tensor.bytes()}}
    );
  }
  return tensors;
}

OrderedJson memory_json(const MemoryPlan& plan, const WeightSizes& weights, size_t available) {
  OrderedJson document;
  document["context_tokens"] = plan.cache.context_tokens;
  document["linear_bytes"] = weights.linear_bytes;
  document["embedding_bytes"] = weights.embedding_bytes;
  document["cache_bytes"] = plan.cache.bytes();
  document["cache_bytes_per_token"] = CacheStorage::bytes_per_token(plan.cache.spec);
  document["activation_bytes"] = plan.activation_bytes;
  document["total_bytes"] = plan.total();
  document["available_bytes"] = available;
  return document;
}

std::string bytes_text(const OrderedJson& value) {
  return format_quantity(value.get<double>(), "B");
}

void print_report(const OrderedJson& report, bool with_tensors) {
  std::string text = fmt::format(
      "{} ({}), {}\n", report["architecture"].get<std::string>(),
      report["model_type"].get<std::string>(),
      format_quantity(report["parameters"].get<double>(), "parameters")
  );
  const auto number = [&](const char* key) { return report[key].get<int64_t>(); };
  text += fmt::format(
      "{} layers, hidden {}, MLP {}, {} heads and {} of keys and values of {}, vocabulary {}, {} "
      "head\n",
      number("num_hidden_layers"), number("hidden_size"), number("intermediate_size"),
      number("num_attention_heads"), number("num_key_value_heads"), number("head_dim"),
      number("vocab_size"), report["tie_word_embeddings"].get<bool>() ? "tied" : "untied"
  );
  text += fmt::format(
      "{} tensors, {}; {:.3f} bits per weight in the layers\n", report["tensors"].size(),
      bytes_text(report["tensor_bytes"]), report["bits_per_weight"].get<double>()
  );
  const auto describe = [](const OrderedJson& linear) {
    if (linear["bits"].is_null()) return linear["format"].get<std::string>();
    return fmt::format(
        "EXL3 {} bits {}", linear["bits"].get<int>(), linear["codebook"].get<std::string>()
    );
  };
  for (const OrderedJson& layer : report["layers"]) {
    text += fmt::format(
        "  layer {:<3} {:7.3f} bits per weight ", layer["index"].get<int>(),
        layer["bits_per_weight"].get<double>()
    );
    std::vector<std::string> formats;
    for (const OrderedJson& linear : layer["linears"]) formats.push_back(describe(linear));
    std::sort(formats.begin(), formats.end());
    formats.erase(std::unique(formats.begin(), formats.end()), formats.end());
    for (const std::string& format : formats) text += fmt::format(" {};", format);
    text.back() = '\n';
  }
  const OrderedJson& head = report["head"];
  text += fmt::format(
      "  head      {:7.3f} bits per weight  {}{}\n", head["bits_per_weight"].get<double>(),
      describe(head), head["name"] == "lm_head" ? "" : " (the embedding)"
  );
  if (with_tensors) {
    for (const OrderedJson& tensor : report["tensors"]) {
      text += fmt::format(
          "  {} {} {}\n", tensor["name"].get<std::string>(), tensor["dtype"].get<std::string>(),
          tensor["shape"].dump()
      );
    }
  }
  const OrderedJson& memory = report["memory"];
  text += fmt::format(
      "Memory for a context of {} tokens: linear layers {}, embedding {}, cache {} ({} bytes "
      "a token), activations {}: {} of {} free\n",
      memory["context_tokens"].get<int64_t>(), bytes_text(memory["linear_bytes"]),
      bytes_text(memory["embedding_bytes"]), bytes_text(memory["cache_bytes"]),
      memory["cache_bytes_per_token"].get<int64_t>(), bytes_text(memory["activation_bytes"]),
      bytes_text(memory["total_bytes"]), bytes_text(memory["available_bytes"])
  );
  print_text(text);
}

int inspect(const InspectArguments& arguments) {
  const std::string& directory = arguments.model.model_directory;
  require_directory(directory);
  const ModelConfig config = read_model_config(directory);
  require_context(directory, arguments.model.context_tokens);
  const ModelSpec spec = make_model_spec(config);
  const Checkpoint checkpoint(directory);
  EngineOptions options;
  options.context_tokens = arguments.model.context_tokens;
  options.cache_type = arguments.model.cache_type;
  MemoryPlan plan = plan_memory(options, config, directory, 0, 0);
  const WeightSizes weights = weight_sizes(checkpoint, config);
  plan.weight_bytes = weights.total();
  const size_t available = available_host_memory();

  OrderedJson report = architecture_json(config);
  report["parameters"] = count_parameters(config, spec);
  report["bits_per_weight"] = average_bits_per_weight(checkpoint, spec);
  report["head"] =
      linear_json(summarize_head(checkpoint, spec, config.hidden_size, config.vocab_size));
  report["layers"] = layers_json(checkpoint, spec);
  report["tensor_bytes"] = checkpoint.bytes();
  report["tensors"] = tensors_json(checkpoint);
  report["memory"] = memory_json(plan, weights, available);
  if (arguments.json) {
    print_json(report);
  } else {
    print_report(report, arguments.tensors);
  }
  return 0;
}

}  // namespace

RunVerb define_inspect(CLI::App& command) {
  auto arguments = std::make_shared<InspectArguments>();
  command.footer(kExamples);
  command.add_option("DIR", arguments->model.model_directory, "Model directory")
      ->type_name("")
      ->required();
  command.add_flag("--tensors", arguments->tensors, "List every tensor");
  add_cache_options(command, arguments->model);
  add_json_flag(command, arguments->json);
  return [arguments] { return inspect(*arguments); };
}

}  // namespace trellis
