// One request while it runs: its sequence, its sampler, and the way from token ids to the text a
// client may see.
#pragma once

#include "engine/answer_text.h"
#include "engine/constraint.h"
#include "engine/embedding_sum.h"
#include "engine/engine_metrics.h"
#include "engine/event_channel.h"
#include "engine/held_tokens.h"
#include "engine/sequence.h"
#include "sampling/sampler.h"

#include <chrono>
#include <deque>
#include <memory>
#include <span>
#include <vector>

namespace trellis {

/// Owned and used by the engine thread.
class Generation {
 public:
  using Clock = EngineMetrics::Clock;

  /// stop_ids: all that end it. token_limit: prompt and answer. tokenizer and metrics outlive it.
  /// constraint: of the request's grammar, null where it has none.
  Generation(
      Request request, std::vector<int32_t> stop_ids, int64_t token_limit, PagePool& pool,
      const Tokenizer& tokenizer, std::shared_ptr<EventChannel> channel,
      Clock::time_point submitted, EngineMetrics& metrics,
      std::unique_ptr<Constraint> constraint = nullptr
  );

  Sequence& sequence() { return sequence_; }
  EventChannel& channel() { return *channel_; }

  /// Notes the time of the first step.
  void start();

  /// Whether hidden states of its prompt are wanted as logits, one call of add_prompt_logits() for
  /// each position but the last.
  bool wants_prompt_logits() const { return request_.prompt_logprobs >= 0; }
  void add_prompt_logits(std::span<const float> logits);
  /// Otherwise they are wanted behind the final norm, one call for each position.
  void add_prompt_state(std::span<const float> state);
  /// Emits the only event of a request that ends with its prompt, all of which is computed.
  void end_prompt();

  /// Chooses the next token from logits, appends it and emits its event. True once the answer is
  /// complete.
  bool advance(std::span<const float> logits);

  /// Waits until then at most for the request's grammar. True if advance() waits no more.
  bool is_ready(Clock::time_point until) const {
    return constraint_ == nullptr || constraint_->knows_mask(until);
  }
  /// Whether tokens may have to follow the last one without a choice, and waiting until then at
  /// most says which.
  bool knows_forced(Clock::time_point until) const {
    return expects_forced_ && constraint_->knows_forced(until);
  }
  /// Appends these tokens and emits them; where log probabilities are wanted, it leaves them to
  /// advance(), one by one. True once the answer is complete. Where it is not called before the
  /// next advance(), that does the same.
  bool take_forced();

  /// Whether a device may choose the next token: nobody wants to know more of its logits, and there
  /// is neither a grammar nor an end of reasoning to be brought about.
  bool suits_device() const {
    return request_.logprobs < 0 && constraint_ == nullptr && !request_.reasoning &&
           sampler_.suits_device();
  }
  /// As Sampler::device_choice().
  TokenChoice device_choice(int32_t row, std::vector<TokenEdit>& edits) const {
    return sampler_.device_choice(row, banned(), edits);
  }
  /// As advance(), with the token that the device chose, or -1 where it found none possible.
  bool advance(int32_t chosen);

  /// Emits the last event, with the text that was held back: cancelled, or failed with a message.
  void end(FinishReason reason, const std::string& error = "");

 private:
  /// The hidden states that are wanted of the sequence.
  void ask_for_states();
  /// Ids that must not come yet.
  std::vector<int32_t> banned() const;
  /// The next token: from the logits, or what ends the reasoning. -1 where none is possible.
  int32_t choose(std::span<const float> logits, const TokenMask* allowed);

  /// What a token did to the answer: kTakenBack if it completed a banned string, so that the answer
  /// now ends before the token with which that began.
  enum class After : uint8_t { kGoesOn, kTakenBack, kEnded };
  After append(int32_t token, std::optional<TokenLogprob> logprob);
  /// Emits the event of a token, or holds it. is_forced: no other one could come.
  After emit(int32_t token, std::optional<TokenLogprob> logprob, bool is_forced);
  void count_token();
  void take_back(size_t num_tokens);
  std::optional<TokenLogprob> logprob_of(std::span<const float> logits, int32_t token) const;

  bool advance_by_grammar(std::span<const float> logits);
  /// -1 where none is possible.
  int32_t choose_by_grammar(std::span<const float> logits);
  /// Puts the tokens that must come into the sequence, ahead of their events.
  void append_forced();
  After emit_forced();
  /// Ends the answer where the grammar allows nothing more.
  bool end_if_over();
  /// The stop string that a stop token spells, if one does.
  std::string stop_string_of(int32_t token) const;
  Usage usage() const;
  /// Sends an event that nothing can take back.
  void publish(Event event);

  Request request_;
  std::vector<int32_t> stop_ids_;
  Sequence sequence_;
  size_t num_prompt_;
  const Tokenizer& tokenizer_;
  Sampler sampler_;
  AnswerText text_;
  std::unique_ptr<HeldTokens> held_;  // null: nothing is banned
  std::vector<TokenLogprob> prompt_logprobs_;
  EmbeddingSum embedding_;
  std::unique_ptr<Constraint> constraint_;
  std::deque<int32_t> forced_;  // tokens that must come and have no event yet
  bool expects_forced_ = false;
  std::shared_ptr<EventChannel> channel_;
  Usage usage_;
  EngineMetrics& metrics_;
  Clock::time_point submitted_;
  std::optional<Clock::time_point> started_;
  std::optional<Clock::time_point> first_token_;
  Clock::time_point last_token_;
};

}  // namespace trellis
