// One request while it runs: its sequence, its sampler, and the way from token ids to the text a
// client may see.
#pragma once

#include "engine/engine_metrics.h"
#include "engine/event_channel.h"
#include "engine/sequence.h"
#include "sampling/sampler.h"
#include "text/detokenizer.h"
#include "text/stop_matcher.h"

#include <chrono>
#include <memory>
#include <span>
#include <vector>

namespace trellis {

/// Owned and used by the engine thread.
class Generation {
 public:
  using Clock = EngineMetrics::Clock;

  /// stop_ids: all that end it. token_limit: prompt and answer. tokenizer and metrics outlive it.
  Generation(
      Request request, std::vector<int32_t> stop_ids, int64_t token_limit, PagePool& pool,
      const Tokenizer& tokenizer, std::shared_ptr<EventChannel> channel,
      Clock::time_point submitted, EngineMetrics& metrics
  );

  Sequence& sequence() { return sequence_; }
  EventChannel& channel() { return *channel_; }

  /// Notes the time of the first step.
  void start();
  /// Chooses the next token from logits, appends it and emits its event. True once the answer is
  /// complete.
  bool advance(std::span<const float> logits);

  /// Whether a device may choose the next token: nobody wants to know more of its logits.
  bool suits_device() const { return request_.logprobs < 0 && sampler_.suits_device(); }
  /// As Sampler::device_choice().
  TokenChoice device_choice(int32_t row, std::vector<TokenEdit>& edits) const {
    return sampler_.device_choice(row, banned(), edits);
  }
  /// As advance(), with the token that the device chose, or -1 where it found none possible.
  bool advance(int32_t chosen);

  /// Emits the last event, with the text that was held back: cancelled, or failed with a message.
  void end(FinishReason reason, const std::string& error = "");

 private:
  /// Ids that must not come yet.
  std::span<const int32_t> banned() const;
  bool append(int32_t token, std::optional<TokenLogprob> logprob);
  std::string held_text();
  /// The stop string that a stop token spells, if one does.
  std::string stop_string_of(int32_t token) const;
  Usage usage() const;
  void emit_last(Event event);

  Request request_;
  std::vector<int32_t> stop_ids_;
  Sequence sequence_;
  size_t num_prompt_;
  const Tokenizer& tokenizer_;
  Sampler sampler_;
  Detokenizer detokenizer_;
  StopMatcher stop_matcher_;
  std::shared_ptr<EventChannel> channel_;
  Usage usage_;
  EngineMetrics& metrics_;
  Clock::time_point submitted_;
  std::optional<Clock::time_point> started_;
  Clock::time_point first_token_;
  Clock::time_point last_token_;
};

}  // namespace trellis
