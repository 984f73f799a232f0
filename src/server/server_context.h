// What every endpoint works with. Filled once, before the first request; the endpoints change none
// of it.
#pragma once

#include "base/result.h"
#include "trellis/engine.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace trellis::server {

struct ServerContext {
  Engine& engine;                        // outlives the routes
  std::vector<std::string> model_names;  // by which clients may call the model; at least one, the
                                         // first is its own
  int64_t created = 0;                   // when it was loaded: seconds since 1970
  std::string version;                   // of the program
  Pooling pooling = Pooling::kMean;      // of embeddings, where a request names none
};

/// The name to answer under: the client's, or the model's own. 404 for one that is not served.
Result<std::string> model_name_for(
    const ServerContext& context, const std::optional<std::string>& requested
);

/// Differs where answers to the same seed may: OpenAI's system_fingerprint.
std::string system_fingerprint(const ServerContext& context);

}  // namespace trellis::server
