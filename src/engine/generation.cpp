#include "engine/generation.h"

#include "base/error.h"
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
    EngineMetrics& metrics, std::unique_ptr<Constraint> constraint
)
    : request_(std::move(request)),
      stop_ids_(std::move(stop_ids)),
      sequence_(pool, request_.prompt_ids, token_limit),
      num_prompt_(request_.prompt_ids.size()),
      tokenizer_(tokenizer),
      sampler_(request_.sampling, tokenizer.vocab_size(), request_.prompt_ids),
      detokenizer_(tokenizer, true, request_.spelled_tokens),
      stop_matcher_(request_.stop_strings),
      constraint_(std::move(constraint)),
      channel_(std::move(channel)),
      metrics_(metrics),
      submitted_(submitted) {
  sequence_.priority = request_.priority;
  usage_.prompt_tokens = static_cast<int64_t>(num_prompt_);
  detokenizer_.prime(request_.prompt_ids);
  if (request_.reasoning) reasoning_.emplace(*request_.reasoning, tokenizer);
  if (constraint_) {
    const std::span<const int32_t> forced = constraint_->forced();
    forced_.assign(forced.begin(), forced.end());
    if (request_.logprobs < 0) append_forced();
  }
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

std::optional<TokenLogprob> Generation::logprob_of(std::span<const float> logits, int32_t token)
    const {
  if (request_.logprobs < 0) return std::nullopt;
  return raw_logprob(logits, token, request_.logprobs);
}

bool Generation::advance(std::span<const float> logits) {
  if (constraint_) return advance_by_grammar(logits);
  const int32_t token = choose(logits, nullptr);
  return append(token, logprob_of(logits, token));
}

int32_t Generation::choose(std::span<const float> logits, const TokenMask* allowed) {
  if (reasoning_) {
    if (const std::optional<int32_t> closing = reasoning_->next()) {
      if (allowed != nullptr && !allowed->allows(*closing)) {
        throw UserError("the grammar does not let the reasoning end where its budget does");
      }
      sampler_.expect(*closing);
      return *closing;
    }
  }
  return sampler_.sample({logits, banned(), allowed});
}

bool Generation::advance_by_grammar(std::span<const float> logits) {
  if (expects_forced_) {
    if (take_forced()) return true;
    if (!sequence_.pending().empty()) return false;  // there is nothing to choose here
  }
  if (request_.logprobs >= 0 && !forced_.empty()) {
    const int32_t token = forced_.front();
    forced_.pop_front();
    sampler_.accept_forced(token);
    sequence_.append(token);
    return emit(token, logprob_of(logits, token)) || end_if_over();
  }
  // Those that the answer begins with were computed with the prompt.
  if (emit_forced()) return true;
  const int32_t token = choose_by_grammar(logits);
  if (token < 0) {
    if (!constraint_->may_end()) {
      throw UserError("the grammar and the request's other parameters leave no token possible");
    }
    end(FinishReason::kStop);
    return true;
  }
  if (append(token, logprob_of(logits, token))) return true;
  constraint_->accept(token);
  expects_forced_ = true;
  return false;
}

int32_t Generation::choose_by_grammar(std::span<const float> logits) {
  TokenMask allowed = constraint_->mask();
  for (const int32_t id : stop_ids_) allowed.set(id, constraint_->may_end());
  return choose(logits, &allowed);
}

bool Generation::take_forced() {
  expects_forced_ = false;
  const std::span<const int32_t> forced = constraint_->forced();
  forced_.assign(forced.begin(), forced.end());
  if (request_.logprobs >= 0) return end_if_over();
  append_forced();
  return emit_forced();
}

void Generation::append_forced() {
  for (const int32_t token : forced_) {
    if (!sequence_.is_full()) sequence_.append(token);
  }
}

bool Generation::emit_forced() {
  while (!forced_.empty()) {
    const int32_t token = forced_.front();
    forced_.pop_front();
    sampler_.accept_forced(token);
    if (emit(token, std::nullopt)) return true;
  }
  return end_if_over();
}

bool Generation::end_if_over() {
  if (!forced_.empty() || !constraint_->is_over()) return false;
  end(FinishReason::kStop);
  return true;
}

bool Generation::advance(int32_t chosen) {
  return append(chosen >= 0 ? chosen : sampler_.lowest_allowed(banned()), std::nullopt);
}

bool Generation::append(int32_t token, std::optional<TokenLogprob> logprob) {
  sampler_.accept(token);
  sequence_.append(token);
  return emit(token, std::move(logprob));
}

bool Generation::emit(int32_t token, std::optional<TokenLogprob> logprob) {
  Event event;
  event.token_ids.push_back(token);
  if (logprob) event.logprobs.push_back(*std::move(logprob));
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

  const bool full =
      static_cast<int64_t>(num_prompt_) + usage_.decode_tokens >= sequence_.max_tokens;
  if (std::find(stop_ids_.begin(), stop_ids_.end(), token) != stop_ids_.end()) {
    event.text = held_text();
    event.finish_reason = FinishReason::kStop;
    event.stop_string = stop_string_of(token);
  } else {
    std::string text = detokenizer_.push(token);
    if (reasoning_) reasoning_->take(text);
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
  // The tokens that an answer must begin with are looked up with the prompt.
  result.cached_tokens = std::min(sequence_.num_cached, usage_.prompt_tokens - 1);
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
