// The one line that the log gets for each request.
#pragma once

#include "server/reply.h"

#include <optional>
#include <string>

namespace trellis::server {

/// In place of a status, as other servers write it: the client left before the answer was sent.
inline constexpr int kClientLeft = 499;

struct RequestRecord {
  std::string method = "-";
  std::string target = "-";  // as sent; its query is not logged, for it may hold a secret
  int status = 0;
  double seconds = 0.0;  // from the head of the request to the end of the answer
  std::string request_id;
  std::string caller;  // the name of the key, may be empty
  std::optional<AnswerFigures> figures;
};

/// "POST /v1/completions 200 0.412s id=... key=ci prompt=12 cached=0 tokens=20 ttft=0.051s
/// tok/s=58.1", without what is not known.
std::string request_line(const RequestRecord& record);

}  // namespace trellis::server
