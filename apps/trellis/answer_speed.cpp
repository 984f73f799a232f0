#include "apps/trellis/answer_speed.h"

#include <fmt/format.h>

namespace trellis {
namespace {

double per_second(int64_t tokens, double seconds) {
  return seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0;
}

}  // namespace

std::string describe_speed(const Usage& usage) {
  const std::string cached =
      usage.cached_tokens > 0 ? fmt::format(" ({} cached)", usage.cached_tokens) : "";
  return fmt::format(
      "{} tokens at {:.1f} tokens/s; prompt of {} tokens{} at {:.1f} tokens/s", usage.decode_tokens,
      per_second(usage.decode_tokens - 1, usage.decode_s), usage.prompt_tokens, cached,
      per_second(usage.prompt_tokens - usage.cached_tokens, usage.prompt_s)
  );
}

}  // namespace trellis
