#include "apps/trellis/pool_arguments.h"

#include "apps/trellis/option_values.h"
#include "apps/trellis/seconds.h"

namespace trellis {
namespace {

constexpr const char* kGroup = "Several models";

}  // namespace

void add_pool_options(CLI::App& command, PoolArguments& arguments) {
  command
      .add_option(
          "--models-dir", arguments.directory,
          "Directory whose folders are models, each loaded when it is first asked for"
      )
      ->type_name("DIR")
      ->group(kGroup);
  command
      .add_option(
          "--default-model", arguments.default_model,
          "Which one answers requests that name none; that of -m, or the only one, by default"
      )
      ->type_name("NAME")
      ->group(kGroup);
  byte_size(command.add_option(
                "--models-memory", arguments.memory_bytes,
                "Memory of all loaded models together; 0 = what is free at start"
            ))
      ->capture_default_str()
      ->group(kGroup);
  seconds_option(
      command.add_option(
          "--idle-unload-seconds", arguments.idle_unload_seconds,
          "Unload a model that nobody used for so long; 0 = never"
      ),
      0
  )
      ->group(kGroup);
  seconds_option(command.add_option(
                     "--load-wait-seconds", arguments.load_wait_seconds,
                     "For a request to wait for its model; else 503"
                 ))
      ->group(kGroup);
}

server::ModelPoolOptions pool_options(
    const PoolArguments& arguments, const ModelArguments& model, ModelLoader& loader
) {
  server::ModelPoolOptions options;
  options.engine = engine_options(model);
  options.directory = arguments.directory;
  options.default_model = arguments.default_model;
  options.idle = milliseconds(arguments.idle_unload_seconds);
  options.memory_bytes = static_cast<size_t>(arguments.memory_bytes);
  if (options.memory_bytes == 0 && !arguments.directory.empty()) {
    options.memory_bytes = loader.available_memory(options.engine);
  }
  return options;
}

}  // namespace trellis
