#include "engine/model_runner.h"

#include <algorithm>

namespace trellis {

ModelRunner::ModelRunner(const Model& model, Backend& backend, const CacheStorage& cache)
    : model_(model), backend_(backend), cache_(cache) {}

void ModelRunner::reserve(Buffer& buffer, size_t bytes) {
  if (buffer.bytes() < bytes) buffer = backend_.allocate(std::max(bytes, 2 * buffer.bytes()));
}

DeviceStep ModelRunner::upload(const Step& step) {
  int64_t num_tokens = 0;
  int64_t num_logits = 0;
  int64_t max_pages = 1;
  const auto num_sequences = static_cast<int64_t>(step.entries.size());
  for (const StepEntry& entry : step.entries) {
    TRELLIS_CHECK(!entry.tokens.empty(), "an entry of a step has tokens");
    num_tokens += static_cast<int64_t>(entry.tokens.size());
    num_logits += entry.num_logits;
    max_pages = std::max(max_pages, static_cast<int64_t>(entry.cache->pages().size()));
  }

  staging_.clear();
  std::vector<size_t> begins;
  const auto begin_array = [&] { begins.push_back(staging_.size()); };
  const auto for_each_token = [&](const auto& value) {
    begin_array();
    for (const StepEntry& entry : step.entries) {
      for (size_t i = 0; i < entry.tokens.size(); ++i) staging_.push_back(value(entry, i));
    }
  };
  for_each_token([](const StepEntry& entry, size_t i) { return entry.tokens[i]; });
  for_each_token([](const StepEntry& entry, size_t i) {
    return static_cast<int32_t>(entry.first_position + static_cast<int64_t>(i));
  });
  for_each_token([](const StepEntry& entry, size_t i) {
    return entry.cache->slot(entry.first_position + static_cast<int64_t>(i));
  });
  begin_array();  // row_begin
  int32_t row = 0;
  staging_.push_back(row);
  for (const StepEntry& entry : step.entries) {
    row += static_cast<int32_t>(entry.tokens.size());
    staging_.push_back(row);
  }
  begin_array();  // kv_length
  int max_kv_length = 0;
  for (const StepEntry& entry : step.entries) {
    const auto length =
        static_cast<int>(entry.first_position + static_cast<int64_t>(entry.tokens.size()));
    staging_.push_back(length);
    max_kv_length = std::max(max_kv_length, length);
  }
  begin_array();  // page_table
  for (const StepEntry& entry : step.entries) {
    const auto pages = entry.cache->pages();
    staging_.insert(staging_.end(), pages.begin(), pages.end());
    staging_.resize(staging_.size() + static_cast<size_t>(max_pages) - pages.size(), 0);
  }
  begin_array();  // logit_rows
  row = 0;
  for (const StepEntry& entry : step.entries) {
    row += static_cast<int32_t>(entry.tokens.size());
    for (int i = entry.num_logits; i > 0; --i) staging_.push_back(row - i);
  }

  const size_t bytes = staging_.size() * sizeof(int32_t);
  reserve(integers_, bytes);
  backend_.upload(
      integers_.view(DType::kInt32, {static_cast<int64_t>(staging_.size())}), staging_.data()
  );
  const auto array = [&](size_t index, Shape shape) {
    return integers_.view(DType::kInt32, shape, begins[index] * sizeof(int32_t));
  };
  return {array(0, {num_tokens}),    array(1, {num_tokens}),
          array(2, {num_tokens}),    array(3, {num_sequences + 1}),
          array(4, {num_sequences}), array(5, {num_sequences, max_pages}),
          array(6, {num_logits}),    max_kv_length};
}

std::span<const float> ModelRunner::run(const Step& step) {
  const DeviceStep device_step = upload(step);
  const int64_t num_logits = device_step.logit_rows.dim(0);
  const auto count = static_cast<size_t>(num_logits * vocab_size());
  reserve(logits_, std::max<size_t>(count, 1) * sizeof(float));
  const Tensor logits = logits_.view(DType::kFloat32, {num_logits, vocab_size()});
  model_.forward(device_step, cache_, logits);
  host_logits_.resize(count);
  if (count > 0) backend_.download(logits, host_logits_.data());
  return host_logits_;
}

}  // namespace trellis
