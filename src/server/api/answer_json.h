// What the documents of generated answers have in common.
#pragma once

#include "base/json.h"
#include "server/reply.h"
#include "server/server_context.h"

#include <string>

namespace trellis::server {

/// What stands at the beginning of each document of one answer.
struct AnswerHead {
  std::string id;
  int64_t created = 0;  // seconds since 1970
  std::string model;
  std::string fingerprint;
};

/// id_prefix: e.g. "chatcmpl-"; 128 random bits follow.
AnswerHead make_head(const ModelContext& model, const char* id_prefix);

/// {"id", "object", "created", "model", "system_fingerprint"}
OrderedJson head_json(const AnswerHead& head, const char* object);

/// OpenAI's usage.
OrderedJson usage_json(const AnswerFigures& figures);

/// null while the answer goes on.
OrderedJson finish_reason_json(FinishReason reason);

/// JSON text on one line. Bytes that are not UTF-8 become U+FFFD.
std::string to_text(const OrderedJson& json);

/// id_prefix and 128 random bits.
std::string random_id(const char* id_prefix);

}  // namespace trellis::server
