#include "engine/generation.h"

#include "base/error.h"
#include "sampling/logprobs.h"

#include <algorithm>
#include <utility>

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
      text_(tokenizer, request_),
      constraint_(std::move(constraint)),
      channel_(std::move(channel)),
      metrics_(metrics),
      submitted_(submitted) {
  sequence_.priority = request_.priority;
  usage_.prompt_tokens = static_cast<int64_t>(num_prompt_);
  const auto& banned = request_.banned_strings;
  if (std::ranges::any_of(banned, [](const std::string& text) { return !text.empty(); })) {
    held_ = std::make_unique<HeldTokens>(banned, text_);
    sequence_.num_revocable = 1;
  }
  ask_for_states();
  if (constraint_) {
    const std::span<const int32_t> forced = constraint_->forced();
    forced_.assign(forced.begin(), forced.end());
    if (request_.logprobs < 0) append_forced();
  }
}

void Generation::ask_for_states() {
  const auto prompt = static_cast<int64_t>(num_prompt_);
  sequence_.is_prompt_only = is_prompt_only(request_);
  if (request_.pooling) {
    sequence_.states_begin = request_.pooling == Pooling::kLast ? prompt - 1 : 0;
    sequence_.states_end = prompt;
  } else if (wants_prompt_logits()) {
    sequence_.states_end = prompt - 1;
  }
}

void Generation::add_prompt_logits(std::span<const float> logits) {
  const int32_t next = request_.prompt_ids[prompt_logprobs_.size() + 1];
  prompt_logprobs_.push_back(raw_logprob(logits, next, request_.prompt_logprobs));
}

void Generation::add_prompt_state(std::span<const float> state) {
  embedding_.add(state);
}

void Generation::end_prompt() {
  Event event;
  if (request_.pooling) event.embedding = embedding_.unit_vector();
  usage_.prompt_s = seconds_between(*started_, Clock::now());
  event.finished = true;
  event.finish_reason = FinishReason::kLength;
  event.usage = usage();
  metrics_.add_prompt(event.usage);
  publish(std::move(event));
}

void Generation::start() {
  if (started_) return;
  started_ = Clock::now();
  metrics_.add_queued(*started_ - submitted_);
}

std::vector<int32_t> Generation::banned() const {
  std::vector<int32_t> ids;
  if (usage_.decode_tokens < request_.min_tokens) ids = stop_ids_;
  if (held_) {
    const std::span<const int32_t> forbidden = held_->forbidden();
    ids.insert(ids.end(), forbidden.begin(), forbidden.end());
  }
  return ids;
}

std::optional<TokenLogprob> Generation::logprob_of(std::span<const float> logits, int32_t token)
    const {
  if (request_.logprobs < 0) return std::nullopt;
  return raw_logprob(logits, token, request_.logprobs);
}

bool Generation::advance(std::span<const float> logits) {
  if (constraint_) return advance_by_grammar(logits);
  const int32_t token = choose(logits, nullptr);
  return append(token, logprob_of(logits, token)) == After::kEnded;
}

int32_t Generation::choose(std::span<const float> logits, const TokenMask* allowed) {
  if (const std::optional<int32_t> closing = text_.due_token()) {
    if (allowed != nullptr && !allowed->allows(*closing)) {
      throw UserError("the grammar does not let the reasoning end where its budget does");
    }
    sampler_.expect(*closing);
    return *closing;
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
    const After after = emit(token, logprob_of(logits, token), true);
    return after == After::kGoesOn ? end_if_over() : after == After::kEnded;
  }
  // Those that the answer begins with were computed with the prompt.
  if (const After after = emit_forced(); after != After::kGoesOn) return after == After::kEnded;
  const int32_t token = choose_by_grammar(logits);
  if (token < 0) {
    if (!constraint_->may_end()) {
      throw UserError("the grammar and the request's other parameters leave no token possible");
    }
    end(FinishReason::kStop);
    return true;
  }
  const After after = append(token, logprob_of(logits, token));
  if (after != After::kGoesOn) return after == After::kEnded;
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
  return emit_forced() == After::kEnded;
}

void Generation::append_forced() {
  for (const int32_t token : forced_) {
    if (!sequence_.is_full()) sequence_.append(token);
  }
}

Generation::After Generation::emit_forced() {
  while (!forced_.empty()) {
    const int32_t token = forced_.front();
    forced_.pop_front();
    sampler_.accept_forced(token);
    const After after = emit(token, std::nullopt, true);
    if (after != After::kGoesOn) return after;
  }
  return end_if_over() ? After::kEnded : After::kGoesOn;
}

bool Generation::end_if_over() {
  if (!forced_.empty() || !constraint_->is_over()) return false;
  end(FinishReason::kStop);
  return true;
}

bool Generation::advance(int32_t chosen) {
  const int32_t token = chosen >= 0 ? chosen : sampler_.lowest_allowed(banned());
  return append(token, std::nullopt) == After::kEnded;
}

Generation::After Generation::append(int32_t token, std::optional<TokenLogprob> logprob) {
  sampler_.accept(token);
  sequence_.append(token);
  return emit(token, std::move(logprob), false);
}

void Generation::count_token() {
  const Clock::time_point now = Clock::now();
  ++usage_.decode_tokens;
  if (!first_token_) {
    first_token_ = now;
    usage_.prompt_s = seconds_between(*started_, now);
    metrics_.add_prompt(usage());
    metrics_.add_first_token(now - submitted_);
  } else {
    metrics_.add_next_token(now - last_token_);
  }
  last_token_ = now;
  usage_.decode_s = seconds_between(*first_token_, now);
}

Generation::After Generation::emit(
    int32_t token, std::optional<TokenLogprob> logprob, bool is_forced
) {
  count_token();
  Event event;
  event.token_ids.push_back(token);
  if (logprob) event.logprobs.push_back(*std::move(logprob));
  const bool full =
      static_cast<int64_t>(num_prompt_) + usage_.decode_tokens >= sequence_.max_tokens;
  AnswerText::Part part;
  if (std::find(stop_ids_.begin(), stop_ids_.end(), token) != stop_ids_.end()) {
    part = text_.end();
    event.finish_reason = FinishReason::kStop;
    event.stop_string = stop_string_of(token);
  } else {
    part = text_.push(token, full);
    event.stop_string = std::move(part.stop_string);
    if (part.stopped) {
      event.finish_reason = FinishReason::kStop;
    } else if (full) {
      event.finish_reason = FinishReason::kLength;
    }
  }
  event.text = std::move(part.text);
  event.finished = event.finish_reason != FinishReason::kNone;
  event.usage = usage();
  const After after = event.finished ? After::kEnded : After::kGoesOn;
  if (!held_) {
    publish(std::move(event));
    return after;
  }
  const size_t banned_tokens = held_->push(std::move(event), part.added, is_forced);
  if (banned_tokens > 0) {
    take_back(banned_tokens);
    return After::kTakenBack;
  }
  for (Event& ready : after == After::kEnded ? held_->take_all() : held_->take_ready()) {
    publish(std::move(ready));
  }
  sequence_.num_revocable = 1 + static_cast<int64_t>(held_->num_held());
  return after;
}

void Generation::take_back(size_t num_tokens) {
  text_ = held_->take_back(num_tokens);
  usage_.decode_tokens -= static_cast<int64_t>(num_tokens);
  sampler_.take_back(num_tokens);
  sequence_.take_back_to(static_cast<int64_t>(num_prompt_) + usage_.decode_tokens);
  sequence_.num_revocable = 1 + static_cast<int64_t>(held_->num_held());
  forced_.clear();
  expects_forced_ = false;
  if (constraint_) constraint_->roll_back(static_cast<size_t>(usage_.decode_tokens));
}

void Generation::publish(Event event) {
  event.prompt_logprobs = std::exchange(prompt_logprobs_, {});
  if (event.finished) {
    metrics_.add_finished(Clock::now() - submitted_, event.finish_reason, event.usage);
  }
  channel_->push(std::move(event));
}

std::string Generation::stop_string_of(int32_t token) const {
  const std::vector<std::string>& texts = request_.stop_strings;
  std::string spelled = tokenizer_.id_to_token(token);
  return std::find(texts.begin(), texts.end(), spelled) == texts.end() ? "" : std::move(spelled);
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
  // Where it failed, what is held may hold the very string that is banned.
  if (!held_ || reason != FinishReason::kError) event.text = text_.end().text;
  if (held_ && reason != FinishReason::kError) {
    for (Event& held : held_->take_all()) publish(std::move(held));
  }
  event.finished = true;
  event.finish_reason = reason;
  event.error = error;
  event.usage = usage();
  publish(std::move(event));
}

}  // namespace trellis
