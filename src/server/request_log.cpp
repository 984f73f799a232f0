#include "server/request_log.h"

#include <fmt/format.h>

namespace trellis::server {
namespace {

constexpr size_t kMostPathBytes = 200;

}  // namespace

std::string request_line(const RequestRecord& record) {
  const std::string path = record.target.substr(0, record.target.find('?'));
  std::string line = fmt::format(
      "{} {} {} {:.3f}s id={}", record.method.substr(0, kMostPathBytes),
      path.substr(0, kMostPathBytes), record.status, record.seconds, record.request_id
  );
  if (!record.caller.empty()) line += " key=" + record.caller;
  if (record.figures) {
    const AnswerFigures& figures = *record.figures;
    line += fmt::format(
        " prompt={} cached={} tokens={} ttft={:.3f}s tok/s={:.1f}", figures.prompt_tokens,
        figures.cached_tokens, figures.answer_tokens, figures.first_token_s, figures.tokens_per_s
    );
  }
  return line;
}

}  // namespace trellis::server
