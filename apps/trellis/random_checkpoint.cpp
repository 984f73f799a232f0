#include "apps/trellis/random_checkpoint.h"

#include "base/half.h"
#include "checkpoint/safetensors_writer.h"
#include "model/registry.h"

#include <variant>
#include <vector>

namespace trellis {
namespace {

class RandomCheckpoint {
 public:
  RandomCheckpoint(const RandomWeights& weights, const std::filesystem::path& directory)
      : source_(make_random_source(weights)), writer_(directory) {}

  // In the order in which Model asks a source, whose numbers go on from tensor to tensor.
  void write(const ModelConfig& config) {
    const ModelSpec spec = make_model_spec(config);
    writer_.add(
        spec.embedding, source_->embedding(spec.embedding, config.vocab_size, config.hidden_size)
    );
    for (const LayerSpec& layer : spec.layers) {
      const AttentionSpec& attention = layer.attention;
      for (const LinearSpec* linear :
           {&attention.query, &attention.key, &attention.value, &attention.output, &layer.gate,
            &layer.up, &layer.down}) {
        write(linear->key, source_->linear(*linear));
        if (linear->bias) write_halves(linear->key + ".bias", linear->out, 0.0f);
      }
      for (const auto& norm : {attention.query_norm, attention.key_norm}) {
        if (norm) write_halves(norm->name, norm->size, 1.0f);
      }
      write_halves(layer.attention_norm.name, layer.attention_norm.size, 1.0f);
      write_halves(layer.mlp_norm.name, layer.mlp_norm.size, 1.0f);
    }
    write_halves(spec.final_norm.name, spec.final_norm.size, 1.0f);
    write("lm_head", source_->head(config.hidden_size, config.vocab_size, false));
    writer_.finish();
  }

 private:
  void write(const std::string& key, const LinearWeight& weight) {
    const auto& exl3 = std::get<Exl3Weight>(weight);
    writer_.add(key + ".trellis", exl3.trellis);
    writer_.add(key + ".suh", halves(exl3.suh));
    writer_.add(key + ".svh", halves(exl3.svh));
    const auto mark = [&](const char* name, uint32_t multiplier) {
      writer_.add(key + name, {&multiplier, DType::kUint32, {}});
    };
    if (exl3.codebook == exl3::Codebook::kMcg) mark(".mcg", exl3::kMcgMultiplier);
    if (exl3.codebook == exl3::Codebook::kMul1) mark(".mul1", exl3::kMul1Multiplier);
  }

  void write_halves(const std::string& name, int64_t size, float value) {
    const std::vector<uint16_t> numbers(static_cast<size_t>(size), float_to_half(value));
    writer_.add(name, halves(numbers));
  }

  static ConstTensor halves(const std::vector<uint16_t>& numbers) {
    return {numbers.data(), DType::kFloat16, {static_cast<int64_t>(numbers.size())}};
  }

  std::unique_ptr<WeightSource> source_;
  SafetensorsWriter writer_;
};

}  // namespace

void write_random_checkpoint(
    const ModelConfig& config, const RandomWeights& weights, const std::filesystem::path& directory
) {
  RandomCheckpoint(weights, directory).write(config);
}

}  // namespace trellis
