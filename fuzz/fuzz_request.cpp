// Any bytes as an HTTP request: refused or read within the limits, and the same wherever the bytes
// are cut.
#include "require.h"
#include "server/request_reader.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

using trellis::require;
using trellis::server::RequestReader;

namespace {

constexpr size_t kMostHeaderBytes = 1024;
constexpr uint64_t kMostBodyBytes = 256;

/// Feeds the text as a connection would, at most `piece` bytes more each time.
void feed_all(RequestReader& reader, std::string_view text, size_t piece) {
  std::string input;
  while (!text.empty()) {
    input += text.substr(0, piece);
    text.remove_prefix(std::min(piece, text.size()));
    while (const size_t used = reader.feed(input)) {
      require(used <= input.size(), "no more is taken than there is");
      input.erase(0, used);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  RequestReader whole(kMostHeaderBytes, kMostBodyBytes);
  RequestReader cut(kMostHeaderBytes, kMostBodyBytes);
  feed_all(whole, text, text.size());
  feed_all(cut, text, 1);

  // A mistake in an unfinished head may be seen sooner or later; what is complete is not disputed.
  const bool is_complete = whole.state() == RequestReader::State::kComplete;
  require(
      is_complete == (cut.state() == RequestReader::State::kComplete),
      "cuts do not change what comes of it"
  );
  if (!is_complete) return 0;
  require(whole.head().path == cut.head().path, "cuts do not change the path");
  require(whole.head().headers == cut.head().headers, "cuts do not change the headers");
  const std::string body = whole.take_body();
  require(body.size() <= kMostBodyBytes, "the body is within its limit");
  require(body == cut.take_body(), "cuts do not change the body");
  const std::string& path = whole.head().path;
  require(path == "*" || path.starts_with('/'), "a path begins with a slash");
  require(path.find('\0') == std::string::npos, "a path holds no NUL");
  return 0;
}
