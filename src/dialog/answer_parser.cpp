#include "dialog/answer_parser.h"

#include <algorithm>
#include <utility>

namespace trellis {
namespace {

using Kind = AnswerPiece::Kind;

constexpr std::string_view kSpace = " \t\r\n";
constexpr size_t kMostNameBytes = 1024;

/// Bytes at the end of the text that begin the tag.
size_t overlap(std::string_view text, std::string_view tag) {
  size_t size = std::min(text.size(), tag.size());
  while (!tag.starts_with(text.substr(text.size() - size))) --size;
  return size;
}

/// The length without the white space at the end.
size_t trimmed_size(std::string_view text) {
  return text.find_last_not_of(kSpace) + 1;  // npos + 1 is 0
}

}  // namespace

AnswerParser::AnswerParser(AnswerShape shape) : shape_(std::move(shape)) {
  if (shape_.reasoning) {
    state_ = shape_.begins_in_reasoning ? State::kThoughtStart : State::kStart;
  } else {
    state_ = shape_.tools ? State::kFirstText : State::kRest;
  }
}

std::vector<AnswerPiece> AnswerParser::push(std::string_view text) {
  pending_ += text;
  while (!pending_.empty() && step()) {
  }
  return std::exchange(pieces_, {});
}

std::vector<AnswerPiece> AnswerParser::finish() {
  switch (state_) {
    case State::kThought:
      pending_.resize(trimmed_size(pending_));
      emit(Kind::kReasoning, pending_);
      break;
    case State::kThoughtStart:
    case State::kTextStart:
    case State::kCallEnd:
      break;  // white space, or the end of a call
    default:
      emit(Kind::kText, call_text_ + pending_);
  }
  pending_.clear();
  call_text_.clear();
  return std::exchange(pieces_, {});
}

bool AnswerParser::step() {
  switch (state_) {
    case State::kStart:
      return step_start();
    case State::kThoughtStart:
      return skip_space(State::kThought);
    case State::kThought:
      return step_thought();
    case State::kTextStart:
      return skip_space(shape_.tools ? State::kFirstText : State::kRest);
    case State::kFirstText:
      return step_first_text();
    case State::kText:
      return step_text();
    case State::kCallIntro:
      return step_call_intro();
    case State::kName:
      return step_name();
    case State::kArguments:
      return step_arguments();
    case State::kCallEnd:
      return step_call_end();
    case State::kRest:
      emit(Kind::kText, pending_);
      pending_.clear();
  }
  return false;
}

bool AnswerParser::step_start() {
  const std::string& open = shape_.reasoning->open;
  const size_t begin = std::min(pending_.find_first_not_of(kSpace), pending_.size());
  const std::string_view text = std::string_view(pending_).substr(begin);
  if (text.starts_with(open)) {
    pending_.erase(0, begin + open.size());
    state_ = State::kThoughtStart;
    return true;
  }
  if (open.starts_with(text)) return false;
  state_ = shape_.tools ? State::kFirstText : State::kRest;
  return true;
}

bool AnswerParser::step_thought() {
  if (!emit_until(shape_.reasoning->close, Kind::kReasoning)) return false;
  state_ = State::kTextStart;
  return true;
}

bool AnswerParser::step_first_text() {
  if (!shape_.tools->trigger.empty()) {
    state_ = State::kText;
    return true;
  }
  const std::string& opening = shape_.tools->before_name;
  const size_t begin = std::min(pending_.find_first_not_of(kSpace), pending_.size());
  const std::string_view text = std::string_view(pending_).substr(begin);
  if (text.starts_with(opening)) {
    pending_.erase(0, begin);
    state_ = State::kCallIntro;
    return true;
  }
  if (opening.starts_with(text)) return false;
  state_ = State::kRest;
  return true;
}

bool AnswerParser::step_text() {
  std::optional<std::string> trigger = emit_until(shape_.tools->trigger, Kind::kText);
  if (!trigger) return false;
  call_text_ = *std::move(trigger);
  state_ = State::kCallIntro;
  return true;
}

bool AnswerParser::step_call_intro() {
  const std::string intro = shape_.tools->begin + shape_.tools->before_name;
  if (pending_.starts_with(intro)) {
    call_text_ += intro;
    pending_.erase(0, intro.size());
    state_ = State::kName;
    return true;
  }
  return intro.starts_with(pending_) ? false : give_up_call();
}

bool AnswerParser::step_name() {
  const std::string& between = shape_.tools->between;
  const size_t end = pending_.find(between);
  if (end == std::string::npos) return pending_.size() > kMostNameBytes ? give_up_call() : false;
  emit(Kind::kCall, std::string_view(pending_).substr(0, end));
  call_text_.clear();
  pending_.erase(0, end + between.size());
  depth_ = 0;
  state_ = State::kArguments;
  return true;
}

bool AnswerParser::step_arguments() {
  for (size_t i = 0; i < pending_.size(); ++i) {
    const char c = pending_[i];
    if (in_string_) {
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        in_string_ = false;
      }
      continue;
    }
    if (c == '"') in_string_ = true;
    if (c == '{' || c == '[') ++depth_;
    if (c == '}' || c == ']') --depth_;
    if (depth_ > 0) continue;
    // The object is complete; where none has begun there is nothing to wait for.
    emit(Kind::kArguments, std::string_view(pending_).substr(0, i + 1));
    pending_.erase(0, i + 1);
    in_string_ = false;
    state_ = State::kCallEnd;
    return true;
  }
  emit(Kind::kArguments, pending_);
  pending_.clear();
  return false;
}

bool AnswerParser::step_call_end() {
  const ToolFormat& format = *shape_.tools;
  const std::string next = format.after_arguments + format.separator + format.before_name;
  const std::string end = format.after_arguments + format.end;
  if (pending_.starts_with(next)) {
    pending_.erase(0, next.size());
    state_ = State::kName;
    return true;
  }
  if (next.starts_with(pending_) || (end.starts_with(pending_) && pending_ != end)) return false;
  if (pending_.starts_with(end)) pending_.erase(0, end.size());
  state_ = State::kTextStart;
  return true;
}

bool AnswerParser::skip_space(State next) {
  const size_t begin = pending_.find_first_not_of(kSpace);
  pending_.erase(0, begin);
  if (begin == std::string::npos) return false;
  state_ = next;
  return true;
}

bool AnswerParser::give_up_call() {
  pending_.insert(0, std::exchange(call_text_, ""));
  state_ = State::kRest;
  return true;
}

void AnswerParser::emit(Kind kind, std::string_view text) {
  if (text.empty()) return;
  // A call stands alone; pieces of the same kind are one.
  if (!pieces_.empty() && pieces_.back().kind == kind && kind != Kind::kCall) {
    pieces_.back().text += text;
  } else {
    pieces_.push_back({kind, std::string(text)});
  }
}

std::optional<std::string> AnswerParser::emit_until(std::string_view tag, Kind kind) {
  const size_t begin = pending_.find(tag);
  const bool found = begin != std::string::npos;
  const size_t end = found ? begin : pending_.size() - overlap(pending_, tag);
  const size_t ready = trimmed_size(std::string_view(pending_).substr(0, end));
  emit(kind, std::string_view(pending_).substr(0, ready));
  std::optional<std::string> passed;
  if (found) passed = pending_.substr(ready, begin + tag.size() - ready);
  pending_.erase(0, found ? begin + tag.size() : ready);
  return passed;
}

}  // namespace trellis
