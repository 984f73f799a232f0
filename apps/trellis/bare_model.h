// A model with a cache of its own, run step by step without an engine: what measures probabilities
// and speed.
#pragma once

#include "backend/backend.h"
#include "cache/cache_storage.h"
#include "cache/page_pool.h"
#include "cache/sequence_cache.h"
#include "engine/model_runner.h"
#include "model/model.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace trellis {

/// Room for some sequences of one length. The backend is borrowed and must outlive it. One thread.
class BareModel {
 public:
  BareModel(
      std::shared_ptr<const Model> model, Backend& backend, KvTypes cache_types, int num_sequences,
      int64_t sequence_tokens
  );

  /// Tokens of one sequence, at positions from first_position on; the positions before must have
  /// been run. Positions may be run anew: a sequence begins again with position 0. Returns the
  /// logits of the last num_logits tokens, [num_logits, vocab], valid until the next run.
  std::span<const float> run(
      int sequence, int64_t first_position, std::span<const int32_t> tokens, int num_logits
  );
  /// One token for each sequence, at the same position. Ends with what an engine would wait for:
  /// the most probable tokens where the backend chooses tokens, else the logits.
  void run_all(int64_t position, std::span<const int32_t> tokens);

  const Model& model() const { return *model_; }
  int num_sequences() const { return static_cast<int>(sequences_.size()); }
  int64_t vocab_size() const { return runner_.vocab_size(); }

 private:
  std::shared_ptr<const Model> model_;  // several caches may stand beside one model
  CacheStorage cache_;
  PagePool pool_;
  std::vector<SequenceCache> sequences_;
  ModelRunner runner_;
  Step step_;
};

/// Loads the checkpoint in directory, with a progress bar. Throws UserError, also where memory
/// would not suffice.
std::unique_ptr<BareModel> load_bare_model(
    const std::string& directory, Backend& backend, KvTypes cache_types, int num_sequences,
    int64_t sequence_tokens
);

/// A model of random weights; `shape`, a name that shape_config() knows, is what messages call it.
/// Throws UserError where memory would not suffice.
std::unique_ptr<BareModel> make_random_bare_model(
    const std::string& shape, const RandomWeights& weights, Backend& backend, KvTypes cache_types,
    int num_sequences, int64_t sequence_tokens
);

/// Throws UserError naming `what` if the backend has fewer bytes left than it needs.
void require_memory(const Backend& backend, const std::string& what, size_t bytes);

}  // namespace trellis
