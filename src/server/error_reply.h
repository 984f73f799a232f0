// Every error a client sees has this one shape, OpenAI's:
// {"error": {"message", "type", "param", "code"}}.
#pragma once

#include "base/result.h"
#include "server/reply.h"

#include <string>

namespace trellis::server {

/// The body alone, for errors inside a stream. `type` follows from the status; an empty parameter
/// or code is null. Bytes that are not UTF-8 become U+FFFD.
std::string error_body(const ApiError& error);

Reply error_reply(const ApiError& error);

}  // namespace trellis::server
