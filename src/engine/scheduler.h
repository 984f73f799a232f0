// Decides what the next step computes. Pure integers: no device, no text, no clock.
//
// Admission: by priority, then first come, first served. A sequence is admitted when the pool has
// pages for the tokens that it has, and one to spare for each running answer that will still grow.
// Where it has not, or while pages are being read for it, others behind it may start first, but
// only kMaxOvertakes of them. One whose prompt a running sequence is computing waits until it can
// share it: of several answers to one prompt, the first computes it for all.
//
// An answer takes its pages as it grows. When there is none left, the youngest sequence of the
// lowest priority is preempted: it gives its pages back and waits, with its tokens, to have them
// computed again, as far as all tiers of the cache have lost them by then. The oldest of the
// highest priority is therefore never stopped.
//
// In each step every sequence that generates gets its one token; prompts share what is left of the
// token budget evenly, so that none of them stands still.
#pragma once

#include "engine/prefix_sharing.h"
#include "engine/sequence.h"
#include "engine/step.h"

#include <optional>
#include <vector>

namespace trellis {

struct SchedulerOptions {
  int max_sequences = 16;
  int max_step_tokens = 512;  // token budget of a step, at least max_sequences
};

/// Sequences are borrowed: they must stay where they are from add() to remove(). The pool must hold
/// each of them alone, with its whole answer.
class Scheduler {
 public:
  /// How many sequences may start before one that waited already and has no lower priority.
  static constexpr int kMaxOvertakes = 16;

  /// prefixes, of the sequences' pool: where sequences find each other's pages; null: nowhere.
  /// below: its second tier. Both must outlive this.
  explicit Scheduler(
      const SchedulerOptions& options, PrefixCache* prefixes = nullptr, const TierBelow& below = {}
  );

  void add(Sequence& sequence);
  /// Forgets a sequence, running or waiting, and gives its pages back.
  void remove(Sequence& sequence);

  struct Planned {
    Sequence* sequence;
    int64_t num_tokens;
    bool wants_logits;  // its last pending token is in the step, and another one is to follow
  };
  /// Admits what fits and plans one step. Empty when nothing is there to run.
  std::vector<Planned> plan();

  /// What pages have to be moved before the step that plan() gave, or that commit() found worth
  /// saving, in this order. To be done before the next plan().
  std::vector<PageMove> take_moves();

  /// Marks the planned tokens as computed, and pages that are full by then as known.
  void commit(const std::vector<Planned>& planned);
  static Step make_step(const std::vector<Planned>& planned);

  size_t num_running() const { return running_.size(); }
  size_t num_waiting() const { return waiting_.size(); }

 private:
  void admit();
  /// A running sequence whose pages hold, or will hold, all that a waiting one may find computed:
  /// the one that has come farthest. Null: there is none.
  const Sequence* find_source(const Sequence& sequence) const;
  /// Gives a waiting sequence pages for its tokens if the pool then still has num_spare.
  bool find_pages(Sequence& sequence, int num_spare, const Sequence* source);
  void give_pages_back(Sequence& sequence);
  /// Gives every running sequence pages for its tokens; preempts the youngest where there are none.
  void grow();
  void preempt(Sequence& sequence);
  /// Deals the token budget to the running sequences.
  std::vector<Planned> deal() const;

  SchedulerOptions options_;
  std::optional<PrefixSharing> sharing_;
  int64_t num_added_ = 0;
  std::vector<Sequence*> waiting_;  // both by priority, then by arrival
  std::vector<Sequence*> running_;
};

}  // namespace trellis
