#include "server/generated_reply.h"

namespace trellis::server {
namespace {

class WholeReply final : public PendingReply {
 public:
  WholeReply(AnswerSet answers, size_t choices_per_prompt, std::unique_ptr<ReplyFormat> format)
      : answers_(std::move(answers)),
        counter_(choices_per_prompt),
        format_(std::move(format)),
        complete_(answers_.size()) {}

  void on_ready(std::function<void()> wake) override { answers_.on_ready(wake); }

  std::optional<Reply> poll() override {
    if (sent_) return std::nullopt;
    for (auto& [choice, event] : answers_.poll()) {
      counter_.count(choice, event);
      if (const auto error = error_of(event)) {
        sent_ = true;
        answers_ = AnswerSet();  // the others are of no use any more
        Reply reply;
        reply.status = error->status;
        reply.body = format_->whole_error(*error);
        return reply;
      }
      complete_[choice].append(std::move(event));
    }
    if (!answers_.finished()) return std::nullopt;
    sent_ = true;
    Reply reply;
    reply.body = format_->whole(complete_, counter_.figures());
    reply.figures = counter_.figures();
    return reply;
  }

 private:
  AnswerSet answers_;
  FigureCounter counter_;
  std::unique_ptr<ReplyFormat> format_;
  std::vector<Event> complete_;  // by choice
  bool sent_ = false;
};

class StreamedReply final : public ReplyStream {
 public:
  StreamedReply(AnswerSet answers, size_t choices_per_prompt, std::unique_ptr<ReplyFormat> format)
      : answers_(std::move(answers)), counter_(choices_per_prompt), format_(std::move(format)) {}

  void on_ready(std::function<void()> wake) override {
    answers_.on_ready(wake);
    if (!begun_) wake();
  }

  std::string poll() override {
    if (finished_) return {};
    std::string bytes;
    if (!begun_) bytes = format_->begin();
    begun_ = true;
    for (const auto& [choice, event] : answers_.poll()) {
      counter_.count(choice, event);
      if (const auto error = error_of(event)) {
        answers_ = AnswerSet();  // the others are of no use any more
        finished_ = true;
        return bytes + format_->error(*error);
      }
      bytes += format_->part(choice, event);
    }
    if (answers_.finished()) {
      bytes += format_->end(counter_.figures());
      finished_ = true;
    }
    return bytes;
  }

  bool finished() const override { return finished_; }
  std::optional<AnswerFigures> figures() const override { return counter_.figures(); }

 private:
  AnswerSet answers_;
  FigureCounter counter_;
  std::unique_ptr<ReplyFormat> format_;
  bool begun_ = false;
  bool finished_ = false;
};

}  // namespace

void FigureCounter::count(size_t choice, const Event& event) {
  if (!has_token_ && !event.token_ids.empty()) {
    has_token_ = true;
    figures_.first_token_s = std::chrono::duration<double>(Clock::now() - begin_).count();
  }
  figures_.answer_tokens += static_cast<int64_t>(event.token_ids.size());
  if (!event.finished) return;
  if (choice % choices_per_prompt_ == 0) {
    figures_.prompt_tokens += event.usage.prompt_tokens;
    figures_.cached_tokens += event.usage.cached_tokens;
  }
  decode_s_ += event.usage.decode_s;
  decode_steps_ += std::max<int64_t>(event.usage.decode_tokens - 1, 0);
  if (decode_s_ > 0.0) figures_.tokens_per_s = static_cast<double>(decode_steps_) / decode_s_;
}

Outcome generated_reply(
    AnswerSet answers, size_t choices_per_prompt, bool streams, std::unique_ptr<ReplyFormat> format
) {
  if (streams) {
    return std::make_unique<StreamedReply>(
        std::move(answers), choices_per_prompt, std::move(format)
    );
  }
  return std::make_unique<WholeReply>(std::move(answers), choices_per_prompt, std::move(format));
}

std::string sse_event(const std::string& data) {
  return "data: " + data + "\n\n";
}

}  // namespace trellis::server
