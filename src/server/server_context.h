// What every endpoint works with. Filled once, before the first request; the endpoints change none
// of it.
#pragma once

#include "server/models/model_pool.h"
#include "trellis/engine.h"

#include <chrono>
#include <cstdint>
#include <string>

namespace trellis::server {

struct ServerContext {
  ModelPool& models;                            // outlives the routes, and what they answer
  int64_t created = 0;                          // when the server was started: seconds since 1970
  std::string version;                          // of the program
  Pooling pooling = Pooling::kMean;             // of embeddings, where a request names none
  std::chrono::milliseconds load_wait{600000};  // of a request, for its model
};

/// What an endpoint that needs a model works with.
struct ModelContext {
  const ServerContext& server;
  Engine& engine;
  std::string own_name;  // of the model
  std::string name;      // by which the client calls it, and to answer under
};

/// Differs where answers to the same seed may: OpenAI's system_fingerprint.
std::string system_fingerprint(const ModelContext& model);

}  // namespace trellis::server
