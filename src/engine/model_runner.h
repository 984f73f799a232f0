// Runs steps: lays a Step out as the arrays a device reads, calls the model or a recording of that
// call, and brings back the logits or the tokens chosen from them.
#pragma once

#include "backend/backend.h"
#include "backend/token_choice.h"
#include "engine/step.h"
#include "engine/step_recordings.h"
#include "engine/step_shape.h"
#include "model/model.h"

#include <functional>
#include <span>
#include <vector>

namespace trellis {

/// Borrows model, backend and cache, which must outlive it. One thread.
class ModelRunner {
 public:
  ModelRunner(const Model& model, Backend& backend, const CacheStorage& cache);
  ModelRunner(const ModelRunner&) = delete;
  ModelRunner& operator=(const ModelRunner&) = delete;

  /// How many rows of state_logits() a call may ask for: that much memory they take.
  static constexpr int64_t kMostStateLogits = 32;

  /// Executes the step; its tokens' keys and values are in the cache afterwards. Its logits, [sum
  /// of num_logits, vocab] fp32, and hidden states, [sum of num_states, hidden] fp32, both in the
  /// order of the entries, are on the device until the next one.
  void compute(const Step& step);
  /// Rows of these logits, valid until the next call of this or of what follows.
  std::span<const float> logits(int64_t first_row, int64_t count);
  /// The logits that belong to rows of the states.
  std::span<const float> state_logits(int64_t first_row, int64_t count);
  /// Rows of the states behind the final norm. May be asked for once, after state_logits().
  std::span<const float> normalized_states(int64_t first_row, int64_t count);
  /// compute(), and all logits.
  std::span<const float> run(const Step& step);

  /// Whether choose() may be called.
  bool chooses_tokens() const { return backend_.ops().chooses_tokens(); }
  /// Begins to choose a token from each row of logits on the device. Rows that have edits are of no
  /// use afterwards. The next step may already use the tokens (StepEntry::chosen_row).
  void choose(std::span<const TokenChoice> choices, std::span<const TokenEdit> edits);
  /// Waits for the tokens, though for no step that was begun since: -1 where none is possible, or
  /// where nothing was to be chosen (TokenChoice). Valid until the next choose().
  std::span<const int32_t> chosen();

  int64_t vocab_size() const { return model_.config().vocab_size; }
  int64_t hidden_size() const { return model_.config().hidden_size; }

 private:
  /// The step's integers in one stretch of memory, so that one upload carries them. Where each
  /// array begins, and how large it is, depends on the shape alone. Sets state_rows_, too.
  DeviceStep upload(const Step& step, const StepShape& shape);
  std::span<const float> download(const Tensor& rows);
  /// Makes a buffer hold `bytes` that recordings know by its address.
  void reserve_recorded(Buffer& buffer, size_t bytes);

  const Model& model_;
  Backend& backend_;
  const CacheStorage& cache_;
  StepRecordings recordings_;
  std::vector<int32_t> staging_;
  Buffer integers_;
  Buffer logits_buffer_;
  Tensor logits_;  // of the last step
  Buffer states_buffer_;
  ConstTensor state_rows_;  // of the last step
  Tensor states_;
  Buffer state_logits_;
  Buffer host_rows_;
  Buffer choices_;  // TokenChoice by row, then the edits
  Buffer chosen_;
  Buffer host_chosen_;
  size_t num_chosen_ = 0;
  std::function<void()> wait_for_chosen_;
};

}  // namespace trellis
