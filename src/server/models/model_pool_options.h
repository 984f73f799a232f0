// What the administrator of a server says about its models.
#pragma once

#include "trellis/model_loader.h"

#include <chrono>
#include <cstddef>
#include <string>

namespace trellis::server {

struct ModelPoolOptions {
  EngineOptions engine;       // of every model, but for its directory
  std::string directory;      // whose folders are models; empty: none
  std::string default_model;  // where a request names none; empty: the one that was added, or
                              // the only one
  size_t memory_bytes = 0;    // of all loaded models together; 0: no limit
  std::chrono::milliseconds idle{0};      // after which an unused model is unloaded; 0: never
  std::chrono::milliseconds retry{5000};  // until a load that failed is tried again
  Engine::Progress on_progress;           // of every load, on the thread that loads
};

}  // namespace trellis::server
