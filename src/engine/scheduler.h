// Decides what the next step computes. Pure integers: no device, no text, no clock.
//
// Policy: first come, first served. A sequence is admitted when the pool can hold its prompt and
// its whole answer, so a running sequence never has to be stopped for memory. In each step every
// sequence that generates gets its one token first; what is left of the token budget goes to
// prompts, oldest first, in chunks.
#pragma once

#include "engine/sequence.h"
#include "engine/step.h"

#include <deque>
#include <vector>

namespace trellis {

struct SchedulerOptions {
  int max_sequences = 16;
  int step_tokens = 512;  // token budget of a step, at least max_sequences
};

/// Sequences are borrowed: they must stay where they are from add() to remove().
class Scheduler {
 public:
  explicit Scheduler(const SchedulerOptions& options) : options_(options) {}

  void add(Sequence& sequence) { waiting_.push_back(&sequence); }
  /// Forgets a sequence, running or waiting, and gives its pages back.
  void remove(Sequence& sequence);

  struct Planned {
    Sequence* sequence;
    int64_t num_tokens;
    bool wants_logits;  // its last pending token is in the step
  };
  /// Admits what fits and plans one step. Empty when nothing is there to run.
  std::vector<Planned> plan();

  /// Marks the planned tokens as computed.
  static void commit(const std::vector<Planned>& planned);
  static Step make_step(const std::vector<Planned>& planned);

  size_t num_running() const { return running_.size(); }
  size_t num_waiting() const { return waiting_.size(); }

 private:
  void admit();

  SchedulerOptions options_;
  std::deque<Sequence*> waiting_;
  std::vector<Sequence*> running_;  // in order of admission
};

}  // namespace trellis
