// The options of `trellis serve` that say which models it has, and when they are loaded.
#pragma once

#include "apps/trellis/model_arguments.h"
#include "server/models/model_pool.h"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <string>

namespace trellis {

struct PoolArguments {
  std::string directory;      // empty: the one model of -m
  std::string default_model;  // empty: that of -m, or the only one
  int64_t memory_bytes = 0;   // 0: what is free at start
  double idle_unload_seconds = 0;
  double load_wait_seconds = 600;
};

/// --models-dir, --default-model, --models-memory, --idle-unload-seconds, --load-wait-seconds
void add_pool_options(CLI::App& command, PoolArguments& arguments);

/// Looks at the machine's memory where there is a directory and no budget for it.
server::ModelPoolOptions pool_options(
    const PoolArguments& arguments, const ModelArguments& model, ModelLoader& loader
);

}  // namespace trellis
