#include "apps/trellis/layer_summary.h"

#include "checkpoint/exl3_weight.h"
#include "checkpoint/tensor_checks.h"

namespace trellis {
namespace {

constexpr const char* kHead = "lm_head";

/// The dtype of a weight of that shape. Throws UserError if it has another, or a dtype of no use.
DType dense_matrix(
    const Checkpoint& checkpoint, const std::string& name, int64_t rows, int64_t cols
) {
  return checked_tensor(
             checkpoint, name, {rows, cols}, {DType::kFloat16, DType::kBFloat16, DType::kFloat32}
  )
      .dtype();
}

}  // namespace

double LinearSummary::bits_per_weight() const {
  return 8.0 * static_cast<double>(bytes) / (static_cast<double>(in) * static_cast<double>(out));
}

double bits_per_weight(const std::vector<LinearSummary>& linears) {
  double bits = 0;
  double weights = 0;
  for (const LinearSummary& linear : linears) {
    const double count = static_cast<double>(linear.in) * static_cast<double>(linear.out);
    bits += linear.bits_per_weight() * count;
    weights += count;
  }
  return weights > 0 ? bits / weights : 0;
}

LinearSummary summarize_linear(const Checkpoint& checkpoint, const LinearSpec& spec) {
  LinearSummary summary{spec.key, spec.in, spec.out, 0, std::nullopt, std::nullopt, "EXL3"};
  if (is_exl3(checkpoint, spec.key)) {
    const Exl3Weight weight = load_exl3(checkpoint, spec.key, spec.in, spec.out);
    summary.bits = weight.bits;
    summary.codebook = weight.codebook;
  } else {
    summary.dtype = dtype_name(dense_matrix(checkpoint, spec.key + ".weight", spec.out, spec.in));
  }
  static constexpr const char* kSuffixes[] = {"weight", "bias", "trellis", "suh", "svh",
                                              "su",     "sv",   "mcg",     "mul1"};
  for (const char* suffix : kSuffixes) {
    const std::string name = fmt::format("{}.{}", spec.key, suffix);
    if (checkpoint.has(name)) summary.bytes += checkpoint.tensor(name).bytes();
  }
  return summary;
}

std::vector<LinearSummary> summarize_layer(const Checkpoint& checkpoint, const LayerSpec& layer) {
  const AttentionSpec& attention = layer.attention;
  std::vector<LinearSummary> summaries;
  for (const LinearSpec* spec :
       {&attention.query, &attention.key, &attention.value, &attention.output, &layer.gate,
        &layer.up, &layer.down}) {
    summaries.push_back(summarize_linear(checkpoint, *spec));
  }
  return summaries;
}

LinearSummary summarize_head(
    const Checkpoint& checkpoint, const ModelSpec& spec, int64_t hidden, int64_t vocab
) {
  const bool own = is_exl3(checkpoint, kHead) || checkpoint.has(std::string(kHead) + ".weight");
  if (own || !spec.tied_head) return summarize_linear(checkpoint, {kHead, hidden, vocab, false});
  const DType dtype = dense_matrix(checkpoint, spec.embedding, vocab, hidden);
  return {
      spec.embedding,
      hidden,
      vocab,
      checkpoint.tensor(spec.embedding).bytes(),
      std::nullopt,
      std::nullopt,
      std::string(dtype_name(dtype))
  };
}

int64_t count_parameters(const ModelConfig& config, const ModelSpec& spec) {
  const int64_t table = config.vocab_size * config.hidden_size;
  int64_t count = table + (spec.tied_head ? 0 : table) + spec.final_norm.size;
  for (const LayerSpec& layer : spec.layers) {
    const AttentionSpec& attention = layer.attention;
    for (const LinearSpec* linear :
         {&attention.query, &attention.key, &attention.value, &attention.output, &layer.gate,
          &layer.up, &layer.down}) {
      count += linear->in * linear->out + (linear->bias ? linear->out : 0);
    }
    count += layer.attention_norm.size + layer.mlp_norm.size;
    for (const auto& norm : {attention.query_norm, attention.key_norm}) {
      if (norm) count += norm->size;
    }
  }
  return count;
}

}  // namespace trellis
