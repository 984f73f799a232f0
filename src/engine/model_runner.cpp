#include "engine/model_runner.h"

#include <algorithm>

namespace trellis {

ModelRunner::ModelRunner(const Model& model, Backend& backend, const CacheStorage& cache)
    : model_(model), backend_(backend), cache_(cache), recordings_(backend) {}

void ModelRunner::reserve_recorded(Buffer& buffer, size_t bytes) {
  if (buffer.bytes() >= bytes) return;
  recordings_.clear();
  buffer = backend_.allocate(std::max(bytes, 2 * buffer.bytes()));
}

DeviceStep ModelRunner::upload(const Step& step, const StepShape& shape) {
  const int64_t max_pages = shape.kv_bound / kPageTokens;

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
  for (const StepEntry& entry : step.entries) {
    staging_.push_back(
        static_cast<int32_t>(entry.first_position + static_cast<int64_t>(entry.tokens.size()))
    );
  }
  begin_array();  // logit_rows
  row = 0;
  for (const StepEntry& entry : step.entries) {
    row += static_cast<int32_t>(entry.tokens.size());
    for (int i = entry.num_logits; i > 0; --i) staging_.push_back(row - i);
  }
  begin_array();  // state_rows
  row = 0;
  for (const StepEntry& entry : step.entries) {
    for (int i = 0; i < entry.num_states; ++i) staging_.push_back(row + entry.first_state + i);
    row += static_cast<int32_t>(entry.tokens.size());
  }
  begin_array();  // page_table
  for (const StepEntry& entry : step.entries) {
    const auto pages = entry.cache->pages();
    const size_t used = std::min(pages.size(), static_cast<size_t>(max_pages));
    staging_.insert(staging_.end(), pages.begin(), pages.begin() + static_cast<int64_t>(used));
    staging_.resize(staging_.size() + static_cast<size_t>(max_pages) - used, 0);
  }
  // Of the last choice: each token's row, for tokens that the host does not know. -1: it does.
  bool any_unknown = false;
  for_each_token([&](const StepEntry& entry, size_t i) {
    const bool unknown = entry.chosen_row >= 0 && i + 1 == entry.tokens.size();
    any_unknown = any_unknown || unknown;
    return unknown ? entry.chosen_row : -1;
  });

  reserve_recorded(integers_, staging_.size() * sizeof(int32_t));
  backend_.upload(
      integers_.view(DType::kInt32, {static_cast<int64_t>(staging_.size())}), staging_.data()
  );
  const auto array = [&](size_t index, Shape sizes) {
    return integers_.view(DType::kInt32, sizes, begins[index] * sizeof(int32_t));
  };
  DeviceStep result;
  result.token_ids = array(0, {shape.num_tokens});
  result.positions = array(1, {shape.num_tokens});
  result.cache_slots = array(2, {shape.num_tokens});
  result.row_begin = array(3, {shape.num_sequences + 1});
  result.kv_length = array(4, {shape.num_sequences});
  result.logit_rows = array(5, {shape.num_logits});
  state_rows_ = array(6, {shape.num_states});
  result.page_table = array(7, {shape.num_sequences, max_pages});
  result.max_kv_length = static_cast<int>(shape.kv_bound);
  if (any_unknown) {
    backend_.ops().take_chosen(
        chosen_.view(DType::kInt32, {static_cast<int64_t>(num_chosen_)}),
        array(8, {shape.num_tokens}), array(0, {shape.num_tokens})
    );
  }
  return result;
}

void ModelRunner::compute(const Step& step) {
  const StepShape shape = shape_of(step);
  const auto count = static_cast<size_t>(shape.num_logits * vocab_size());
  reserve_recorded(logits_buffer_, std::max<size_t>(count, 1) * sizeof(float));
  const auto state_count = static_cast<size_t>(shape.num_states * hidden_size());
  reserve_recorded(states_buffer_, state_count * sizeof(float));
  const DeviceStep device_step = upload(step, shape);
  logits_ = logits_buffer_.view(DType::kFloat32, {shape.num_logits, vocab_size()});
  states_ = states_buffer_.view(DType::kFloat32, {shape.num_states, hidden_size()});
  const auto forward = [this, device_step, logits = logits_, rows = state_rows_, states = states_] {
    model_.forward(device_step, cache_, logits, rows, states);
  };
  if (is_worth_recording(step)) {
    recordings_.run(shape, forward);
  } else {
    forward();
  }
}

std::span<const float> ModelRunner::download(const Tensor& rows) {
  if (host_rows_.bytes() < rows.bytes()) {
    host_rows_ = backend_.allocate_staging(std::max(rows.bytes(), 2 * host_rows_.bytes()));
  }
  if (rows.numel() > 0) backend_.download(rows, host_rows_.data());
  return {static_cast<const float*>(host_rows_.data()), static_cast<size_t>(rows.numel())};
}

std::span<const float> ModelRunner::logits(int64_t first_row, int64_t count) {
  return download(logits_.slice_rows(first_row, count));
}

std::span<const float> ModelRunner::state_logits(int64_t first_row, int64_t count) {
  TRELLIS_CHECK(count <= kMostStateLogits, "so many rows of logits at most");
  if (state_logits_.bytes() == 0) {
    state_logits_ =
        backend_.allocate(static_cast<size_t>(kMostStateLogits * vocab_size()) * sizeof(float));
  }
  const Tensor logits = state_logits_.view(DType::kFloat32, {count, vocab_size()});
  model_.logits_of(states_.slice_rows(first_row, count), logits);
  return download(logits);
}

std::span<const float> ModelRunner::normalized_states(int64_t first_row, int64_t count) {
  const Tensor rows = states_.slice_rows(first_row, count);
  model_.normalize(rows);
  return download(rows);
}

std::span<const float> ModelRunner::run(const Step& step) {
  compute(step);
  return logits(0, logits_.rows());
}

void ModelRunner::choose(std::span<const TokenChoice> choices, std::span<const TokenEdit> edits) {
  const auto rows = static_cast<int64_t>(choices.size());
  TRELLIS_CHECK_EQ(rows, logits_.rows(), "a choice for each row of logits");
  const auto reserve = [this](Buffer& buffer, size_t bytes) {
    if (buffer.bytes() < bytes) buffer = backend_.allocate(std::max(bytes, 2 * buffer.bytes()));
  };
  reserve(choices_, choices.size_bytes() + edits.size_bytes());
  reserve(chosen_, choices.size() * sizeof(int32_t));
  const auto upload_bytes = [&](const auto& items, size_t begin) -> ConstTensor {
    if (items.empty()) return {};
    const auto count = static_cast<int64_t>(items.size());
    const auto size = static_cast<int64_t>(sizeof(items[0]));
    const Tensor bytes = choices_.view(DType::kUint8, {count, size}, begin);
    backend_.upload(bytes, items.data());
    return bytes;
  };
  ChooseTokensArgs args;
  args.logits = logits_;
  args.choices = upload_bytes(choices, 0);
  args.edits = upload_bytes(edits, choices.size_bytes());
  for (const TokenChoice& choice : choices) {
    args.any_draws = args.any_draws || choice.draws();
    args.any_cuts = args.any_cuts || choice.cuts();
  }
  args.chosen = chosen_.view(DType::kInt32, {rows});
  backend_.ops().choose_tokens(args);
  num_chosen_ = choices.size();
  if (host_chosen_.bytes() < args.chosen.bytes()) {
    host_chosen_ = backend_.allocate_staging(2 * args.chosen.bytes());
  }
  wait_for_chosen_ = backend_.start_download(args.chosen, host_chosen_.data());
}

std::span<const int32_t> ModelRunner::chosen() {
  wait_for_chosen_();
  return {static_cast<const int32_t*>(host_chosen_.data()), num_chosen_};
}

}  // namespace trellis
