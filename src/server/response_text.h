// Replies as the bytes of HTTP/1.1.
#pragma once

#include "server/reply.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace trellis::server {

/// What belongs to a response beside the reply itself.
struct ResponseFrame {
  bool is_http_1_0 = false;
  bool keep_alive = false;
  bool omit_body = false;  // the answer to HEAD: the length is told, the body is not sent
  std::vector<std::pair<std::string, std::string>> headers;
};

std::string response_text(const Reply& reply, const ResponseFrame& frame);

/// The head of a stream of server-sent events. To HTTP/1.0 it ends with the connection, else it
/// comes in chunks.
std::string stream_head(const ResponseFrame& frame);
/// `bytes` as the next part of it, and what ends it.
std::string stream_part(std::string_view bytes, const ResponseFrame& frame);
std::string_view stream_end(const ResponseFrame& frame);

}  // namespace trellis::server
