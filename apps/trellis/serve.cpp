// `trellis serve`: a model behind HTTP, until it is told to stop.
#include "apps/trellis/config_file.h"
#include "apps/trellis/interrupt_watcher.h"
#include "apps/trellis/model_arguments.h"
#include "apps/trellis/option_values.h"
#include "apps/trellis/output.h"
#include "apps/trellis/progress_bar.h"
#include "apps/trellis/server_arguments.h"
#include "apps/trellis/verbs.h"
#include "backend/backend.h"
#include "base/host_memory.h"
#include "checkpoint/checkpoint.h"
#include "engine/memory_plan.h"
#include "server/api_key.h"
#include "server/chat_page.h"
#include "server/http_server.h"
#include "server/routes.h"

#include <atomic>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

namespace trellis {
namespace {

constexpr int kExitInterrupted = 130;
constexpr size_t kMostKeyBytes = 4096;
const std::vector<std::string> kPoolings = {"mean", "last"};
constexpr const char* kExamples =
    "Examples:\n"
    "  trellis serve -m DIR\n"
    "  trellis serve -m DIR --host 0.0.0.0 --key-file keys.txt --tls-certificate c.pem --tls-key "
    "k.pem\n"
    "  openssl rand -hex 32 | tee key.txt | trellis serve --hash-key >> keys.txt\n"
    "  trellis serve --config trellis.toml --dry-run\n"
    "Every option is a key of the configuration file, under its long name without the dashes.";

struct ServeArguments {
  ModelArguments model;
  ServerArguments server;
  std::string config;
  bool dry_run = false;
  bool hash_key = false;
  std::vector<std::string> names;
  std::string pooling = kPoolings[0];
};

int hash_key() {
  std::string key(kMostKeyBytes, '\0');
  std::cin.read(key.data(), static_cast<std::streamsize>(key.size()));
  key.resize(static_cast<size_t>(std::cin.gcount()));
  if (key.size() == kMostKeyBytes) throw UserError("a key is shorter than {} bytes", kMostKeyBytes);
  while (key.ends_with('\n') || key.ends_with('\r')) key.pop_back();
  if (key.empty()) throw UserError("--hash-key reads the key from stdin, and nothing came");
  print_text(server::key_file_line({server::Access::kUser, server::hash_key(key), ""}) + "\n");
  return 0;
}

int print_memory_plan(const ModelArguments& model) {
  require_directory(model.model_directory);
  require_context(model.model_directory, model.context_tokens);
  const auto backend = create_backend(model.backend, backend_options(model));
  const Checkpoint checkpoint(model.model_directory);
  const size_t available = backend->available_memory();
  const MemoryPlan plan = plan_memory(
      engine_options(model), read_model_config(model.model_directory), model.model_directory,
      checkpoint.bytes(), available
  );
  const size_t host_available = available_host_memory();
  require_host_cache(plan.cache, host_available);
  const auto bytes = [](size_t value) { return format_quantity(static_cast<double>(value), "B"); };
  print_text(fmt::format(
      "weights      {}\n"
      "cache        {} for {} tokens in {}, of which one answer has at most {}\n"
      "activations  about {}, in steps of {} tokens of {} answers\n"
      "together     {} of {} free ({})\n",
      bytes(plan.weight_bytes), bytes(plan.cache.bytes()), plan.cache.cache_tokens(),
      kv_types_name(plan.cache.spec.types), plan.cache.context_tokens, bytes(plan.activation_bytes),
      model.max_step_tokens, model.max_sequences, bytes(plan.total()), bytes(available),
      backend->name()
  ));
  if (plan.cache.num_host_pages > 0) {
    print_text(fmt::format(
        "host cache   {} of {} free, {} tokens\n", bytes(plan.cache.host_bytes()),
        bytes(host_available), int64_t{plan.cache.num_host_pages} * kPageTokens
    ));
  }
  if (!model.cache_directory.empty()) {
    print_text(fmt::format(
        "cache dir    at most {}, {} tokens\n",
        bytes(static_cast<size_t>(model.cache_directory_bytes)),
        model.cache_directory_bytes /
            static_cast<int64_t>(CacheStorage::bytes_per_token(plan.cache.spec))
    ));
  }
  return 0;
}

/// By which clients call the model: what the command line says, or its folder's name.
std::vector<std::string> model_names(const ServeArguments& arguments) {
  if (!arguments.names.empty()) return arguments.names;
  const std::filesystem::path directory = arguments.model.model_directory;
  return {std::filesystem::weakly_canonical(directory).filename().string()};
}

int serve(const ServeArguments& arguments) {
  if (arguments.hash_key) return hash_key();
  if (arguments.model.model_directory.empty()) {
    throw UsageError("--model is required, here or in the --config file");
  }
  const server::ServerOptions options = server_options(arguments.server);
  if (arguments.dry_run) return print_memory_plan(arguments.model);
  // What is wrong with an address or a key is said before a model is loaded for it.
  server::Server(options, {});

  std::atomic<server::Server*> running{nullptr};
  std::atomic<bool> stopping{false};
  const InterruptWatcher watcher(
      [&running, &stopping] {
        server::Server* const server = running.load();
        if (server == nullptr || stopping.exchange(true)) _exit(kExitInterrupted);
        server->stop();
      },
      {SIGINT, SIGTERM}
  );
  const auto engine = load_engine(arguments.model);
  server::ServerContext context = {
      *engine, model_names(arguments), std::time(nullptr), TRELLIS_VERSION,
      arguments.pooling == kPoolings[0] ? Pooling::kMean : Pooling::kLast
  };
  std::vector<server::Route> routes = server::make_routes(context);
  for (server::Route& route : server::chat_page_routes()) routes.push_back(std::move(route));
  server::Server server(options, std::move(routes));
  running.store(&server);
  print_text(fmt::format("{} at {}\n", arguments.model.model_directory, server.address()));
  server.run();
  return 0;
}

}  // namespace

RunVerb define_serve(CLI::App& command) {
  auto arguments = std::make_shared<ServeArguments>();
  command.footer(kExamples);
  add_model_option(command, arguments->model);
  command.add_option("--config", arguments->config, "Read options from a TOML file, too")
      ->type_name("FILE");
  command
      .add_option(
          "--model-name", arguments->names,
          "Names by which clients call the model, once for each; the folder's by default"
      )
      ->type_name("NAME");
  one_of(
      command.add_option(
          "--pooling", arguments->pooling,
          "What embeddings are made of: the mean of all positions, or the last one"
      ),
      kPoolings
  )
      ->capture_default_str();
  command.add_flag("--dry-run", arguments->dry_run, "Print the plan of memory and end");
  command.add_flag(
      "--hash-key", arguments->hash_key,
      "Read a key from stdin, print its line of a key file and end"
  );
  add_server_options(command, arguments->server);
  add_backend_options(command, arguments->model);
  add_cache_options(command, arguments->model);
  add_cache_tokens_option(command, arguments->model);
  add_cache_tier_options(command, arguments->model);
  add_fit_flag(command, arguments->model);
  add_step_options(command, arguments->model);
  add_deterministic_flag(command, arguments->model);
  // Before main() reads its own options, so that a file can set them as well.
  command.parse_complete_callback([arguments, &command] {
    if (!arguments->config.empty()) apply_config_file(command, arguments->config);
  });
  return [arguments] { return serve(*arguments); };
}

}  // namespace trellis
