// The body of POST /v1/embeddings.
#pragma once

#include "server/api/generation_fields.h"
#include "server/api/text_inputs.h"

namespace trellis::server {

inline constexpr size_t kMostEmbeddings = 2048;  // of one HTTP request

struct EmbeddingRequest {
  std::vector<TextOrIds> inputs;
  bool as_base64 = false;
  std::optional<int64_t> dimensions;  // so many of the first numbers; none: all
  std::optional<Pooling> pooling;     // none: the server's
  bool add_special_tokens = true;     // what the tokenizer puts around a text
  Request request;                    // salt and priority
};

const Fields<EmbeddingRequest>& embedding_request_fields();

Result<EmbeddingRequest> read_embedding_request(const Json& body);

}  // namespace trellis::server
