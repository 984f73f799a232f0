#include "model/model.h"

#include "model/registry.h"
#include "nn/rope.h"

#include <algorithm>
#include <array>

namespace trellis {
namespace {

/// Moves weights from their source to the backend, counting bytes.
class Packer {
 public:
  Packer(WeightSource& source, Backend& backend, const Model::Progress& progress, size_t total)
      : source_(source), backend_(backend), progress_(progress), total_(total) {}

  Linear linear(const LinearSpec& spec) { return pack(source_.linear(spec)); }
  Linear head(int64_t hidden, int64_t vocab, bool tied) {
    return pack(source_.head(hidden, vocab, tied));
  }
  Norm norm(const NormSpec& spec) {
    const std::vector<float> values = source_.norm(spec);
    Norm norm{backend_.allocate(values.size() * sizeof(float)), {}};
    const Tensor view = norm.storage.view(DType::kFloat32, {spec.size});
    backend_.upload(view, values.data());
    norm.weight = view;
    return norm;
  }
  Norm norm(const std::optional<NormSpec>& spec) { return spec ? norm(*spec) : Norm{}; }

  void advance(size_t bytes) {
    done_ += bytes;
    if (progress_) progress_(std::min(done_, total_), total_);
  }
  size_t linear_bytes() const { return linear_bytes_; }

 private:
  Linear pack(const LinearWeight& weight) {
    Linear linear(backend_.pack(weight));
    linear_bytes_ += linear.weight().bytes();
    advance(linear.weight().bytes());
    return linear;
  }

  WeightSource& source_;
  Backend& backend_;
  const Model::Progress& progress_;
  size_t total_;
  size_t done_ = 0;
  size_t linear_bytes_ = 0;
};

}  // namespace

Model::Model(
    const ModelConfig& config, const ModelSpec& spec, WeightSource& source, Backend& backend,
    const Progress& progress, size_t total_bytes
)
    : config_(config), backend_(backend) {
  const RopeFrequencies frequencies =
      rope_frequencies(config.rope, config.head_dim, config.max_position_embeddings);
  const auto num_frequencies = static_cast<int64_t>(frequencies.inverse_frequency.size());
  rope_storage_ = backend.allocate(frequencies.inverse_frequency.size() * sizeof(float));
  const Tensor rope_view = rope_storage_.view(DType::kFloat32, {num_frequencies});
  backend.upload(rope_view, frequencies.inverse_frequency.data());
  const RopeArgs rope = {rope_view, frequencies.attention_factor};

  Packer packer(source, backend, progress, total_bytes);
  const ConstTensor table = source.embedding(spec.embedding, config.vocab_size, config.hidden_size);
  embedding_storage_ = backend.allocate(table.bytes());
  const Tensor embedding_view = embedding_storage_.view(table.dtype(), table.shape());
  backend.upload(embedding_view, table.data());
  embedding_ = embedding_view;
  packer.advance(table.bytes());

  const auto epsilon = static_cast<float>(config.rms_norm_eps);
  blocks_.reserve(spec.layers.size());
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    const LayerSpec& layer = spec.layers[i];
    const AttentionSpec& attention = layer.attention;
    Attention::Weights weights{packer.linear(attention.query),    packer.linear(attention.key),
                               packer.linear(attention.value),    packer.linear(attention.output),
                               packer.norm(attention.query_norm), packer.norm(attention.key_norm)};
    Linear gate = packer.linear(layer.gate);
    Linear up = packer.linear(layer.up);
    Linear down = packer.linear(layer.down);
    blocks_.emplace_back(
        packer.norm(layer.attention_norm),
        Attention(std::move(weights), attention.shape, rope, static_cast<int>(i)),
        packer.norm(layer.mlp_norm),
        Mlp(std::move(gate), std::move(up), std::move(down), config.activation), epsilon
    );
  }
  final_norm_ = packer.norm(spec.final_norm);
  head_ =
      std::make_unique<Linear>(packer.head(config.hidden_size, config.vocab_size, spec.tied_head));
  weight_bytes_ = packer.linear_bytes();
}

void Model::forward(
    const DeviceStep& step, const CacheStorage& cache, Tensor logits, ConstTensor state_rows,
    Tensor states
) const {
  Workspace& workspace = backend_.workspace();
  const auto scope = workspace.scope();
  StepContext context{backend_.ops(), workspace, step, cache};

  const Shape rows = {step.token_ids.dim(0), config_.hidden_size};
  ResidualStream stream;
  stream.x = workspace.tensor(rows, DType::kFloat32);
  stream.addend = workspace.tensor(rows, DType::kFloat32);
  const int64_t inputs =
      std::max(config_.num_attention_heads * config_.head_dim, config_.intermediate_size);
  const int64_t parts = context.ops.stream_parts(rows[0], rows[1], inputs);
  if (parts > 0) stream.parts = workspace.tensor({parts * rows[0], rows[1]}, DType::kFloat32);
  stream.units = workspace.tensor({rows[0]}, DType::kFloat32);
  context.ops.embed(step.token_ids, embedding_, stream.x);
  for (const Block& block : blocks_) block.forward(context, stream);

  if (states.dim(0) > 0) {
    context.ops.settle(stream);
    context.ops.gather_rows(stream.x, state_rows, states);
  }
  const int64_t num_logits = step.logit_rows.dim(0);
  if (num_logits == 0) return;
  if (num_logits < rows[0]) {
    context.ops.settle(stream);
    const Tensor last = workspace.tensor({num_logits, config_.hidden_size}, DType::kFloat32);
    context.ops.gather_rows(stream.x, step.logit_rows, last);
    stream.x = last;
  }
  compute_logits(stream, logits);
}

void Model::compute_logits(ResidualStream& stream, Tensor logits) const {
  const Tensor normed = backend_.workspace().tensor(stream.x.shape(), DType::kFloat32);
  const auto epsilon = static_cast<float>(config_.rms_norm_eps);
  const std::array<const PackedLinear*, 1> heads = {&head_->weight()};
  backend_.ops().norm_linear_group(
      stream, {final_norm_.weight, epsilon, normed}, heads, std::span(&logits, 1)
  );
}

void Model::logits_of(Tensor states, Tensor logits) const {
  const auto scope = backend_.workspace().scope();
  ResidualStream stream;
  stream.x = states;
  compute_logits(stream, logits);
}

void Model::normalize(Tensor states) const {
  const auto epsilon = static_cast<float>(config_.rms_norm_eps);
  backend_.ops().rms_norm(states, final_norm_.weight, epsilon, states);
}

CacheSpec cache_spec(const ModelConfig& config, KvTypes types) {
  return {
      static_cast<int>(config.num_hidden_layers), static_cast<int>(config.num_key_value_heads),
      static_cast<int>(config.head_dim), types
  };
}

std::unique_ptr<Model> load_model(
    const Checkpoint& checkpoint, const ModelConfig& config, Backend& backend,
    const Model::Progress& progress
) {
  const auto source = make_checkpoint_source(checkpoint);
  return std::make_unique<Model>(
      config, make_model_spec(config), *source, backend, progress, checkpoint.bytes()
  );
}

std::unique_ptr<Model> make_random_model(
    const ModelConfig& config, const RandomWeights& weights, Backend& backend
) {
  const auto source = make_random_source(weights);
  return std::make_unique<Model>(
      config, make_model_spec(config), *source, backend, Model::Progress{}, 0
  );
}

}  // namespace trellis
