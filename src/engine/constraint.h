// What the grammar of a request says about its next token. The matcher works on threads of its own
// while the device computes; the engine thread waits for it only where it needs what comes of it.
#pragma once

#include "base/token_mask.h"
#include "engine/mask_workers.h"
#include "text/grammar.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

namespace trellis {

/// One per generation, used by one thread at a time. Destruction ends the work that is under way,
/// and waits for nothing.
class Constraint {
 public:
  /// workers must outlive it. Throws UserError.
  Constraint(const CompiledGrammar& grammar, MaskWorkers& workers);
  ~Constraint();
  Constraint(const Constraint&) = delete;
  Constraint& operator=(const Constraint&) = delete;

  /// Begins to work out what follows a token that mask() allowed.
  void accept(int32_t token);
  /// Begins to work out what follows the first num_tokens of the output, forced ones included,
  /// where the next one is not forced. Waits for what is under way, and throws as what is asked
  /// below.
  void roll_back(size_t num_tokens);

  /// Waits until then at most for the forced tokens, or for all: whether what is asked below waits
  /// no more. So it is where the grammar gave up or took too long.
  bool knows_forced(std::chrono::steady_clock::time_point until) const;
  bool knows_mask(std::chrono::steady_clock::time_point until) const;

  // What follows the token that was accepted last, or begins the answer. These wait, and throw
  // UserError where the grammar gave up or took too long.

  /// The tokens that must come next; they count as accepted.
  std::span<const int32_t> forced() const;
  /// Nothing may follow them.
  bool is_over() const;
  /// The tokens that may follow them, by their text alone.
  const TokenMask& mask() const;
  /// The answer is whole with them.
  bool may_end() const;

 private:
  struct State;

  /// Has a worker call step, and work out what follows.
  void start(const std::function<void(State&)>& step);

  MaskWorkers& workers_;
  std::shared_ptr<State> state_;
};

}  // namespace trellis
