#include "engine/generation.h"

#include "sampling/logprobs.h"

#include <algorithm>

namespace trellis {
namespace {

double seconds_between(
    std::chrono::steady_clock::time_point from, std::chrono::steady_clock::time_point to
) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

Generation::Generation(
    Request request, std::vector<int32_t> stop_ids, int64_t token_limit, PagePool& pool,
    const Tokenizer& tokenizer, std::shared_ptr<EventChannel> channel, Clock::time_point submitted,
    EngineMetrics& metrics
)
    : request_(std::move(request)),
      stop_ids_(std::move(stop_ids)),
      sequence_(pool, request_.prompt_ids, token_limit),
      num_prompt_(request_.prompt_ids.size()),
      tokenizer_(tokenizer),
      sampler_(request_.sampling, tokenizer.vocab_size(), request_.prompt_ids),
      detokenizer_(tokenizer),
      stop_matcher_(request_.stop_strings),
      channel_(std::move(channel)),
      metrics_(metrics),
      submitted_(submitted) {
  sequence_.priority = request_.priority;
  usage_.prompt_tokens = static_cast<int64_t>(num_prompt_);
  detokenizer_.prime(request_.prompt_ids);
}

void Generation::start() {
  if (started_) return;
  started_ = Clock::now();
  metrics_.add_queued(*started_ - submitted_);
}

std::span<const int32_t> Generation::banned() const {
  const bool stops_masked = usage_.decode_tokens < request_.min_tokens;
  return stops_masked ? std::span<const int32_t>(stop_ids_) : std::span<const int32_t>();
}

bool Generation::advance(std::span<const float> logits) {
  const int32_t token = sampler_.sample({logits, banned()});
  if (request_.logprobs < 0) return append(token, std::nullopt);
  return append(token, raw_logprob(logits, token, request_.logprobs));
}

bool Generation::advance(int32_t chosen) {
  return append(chosen >= 0 ? chosen : sampler_.lowest_allowed(banned()), std::nullopt);
}

bool Generation::append(int32_t token, std::optional<TokenLogprob> logprob) {
  sampler_.accept(token);
  Event event;
  event.token_ids.push_back(token);
  if (logprob) event.logprobs.push_back(*std::move(logprob));
  sequence_.append(token);
  const Clock::time_point now = Clock::now();
  if (usage_.decode_tokens++ == 0) {
    first_token_ = now;
    usage_.prompt_s = seconds_between(*started_, now);
    metrics_.add_first_token(now - submitted_, usage());
  } else {
    metrics_.add_next_token(now - last_token_);
  }
  last_token_ = now;
  usage_.decode_s = seconds_between(first_token_, now);

  const bool full = sequence_.is_full();
  if (std::find(stop_ids_.begin(), stop_ids_.end(), token) != stop_ids_.end()) {
    event.text = held_text();
    event.finish_reason = FinishReason::kStop;
    event.stop_string = stop_string_of(token);
  } else {
    std::string text = detokenizer_.push(token);
    if (full) text += detokenizer_.flush();
    StopMatcher::Output output = stop_matcher_.push(text);
    event.text = output.text;
    if (output.matched) {
      event.finish_reason = FinishReason::kStop;
      event.stop_string = std::move(output.match);
    } else if (full) {
      event.text += stop_matcher_.flush();
      event.finish_reason = FinishReason::kLength;
    }
  }
  event.finished = event.finish_reason != FinishReason::kNone;
  event.usage = usage();
  if (!event.finished) {
    channel_->push(std::move(event));
    return false;
  }
  emit_last(std::move(event));
  return true;
}

void Generation::emit_last(Event event) {
  metrics_.add_finished(Clock::now() - submitted_, event.finish_reason, event.usage);
  channel_->push(std::move(event));
}

std::string Generation::stop_string_of(int32_t token) const {
  const std::vector<std::string>& texts = request_.stop_strings;
  std::string spelled = tokenizer_.id_to_token(token);
  return std::find(texts.begin(), texts.end(), spelled) == texts.end() ? "" : std::move(spelled);
}

std::string Generation::held_text() {
  const StopMatcher::Output rest = stop_matcher_.push(detokenizer_.flush());
  return rest.matched ? rest.text : rest.text + stop_matcher_.flush();
}

Usage Generation::usage() const {
  Usage result = usage_;
  result.cached_tokens = sequence_.num_cached;
  result.num_preemptions = sequence_.num_preemptions;
  return result;
}

void Generation::end(FinishReason reason, const std::string& error) {
  Event event;
  event.text = held_text();
  event.finished = true;
  event.finish_reason = reason;
  event.error = error;
  event.usage = usage();
  emit_last(std::move(event));
}

}  // namespace trellis
