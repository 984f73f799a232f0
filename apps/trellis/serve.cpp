// `trellis serve`: models behind HTTP, until it is told to stop.
#include "apps/trellis/config_file.h"
#include "apps/trellis/interrupt_watcher.h"
#include "apps/trellis/model_arguments.h"
#include "apps/trellis/option_values.h"
#include "apps/trellis/output.h"
#include "apps/trellis/pool_arguments.h"
#include "apps/trellis/progress_bar.h"
#include "apps/trellis/seconds.h"
#include "apps/trellis/server_arguments.h"
#include "apps/trellis/verbs.h"
#include "backend/backend.h"
#include "base/host_memory.h"
#include "base/log.h"
#include "checkpoint/checkpoint.h"
#include "engine/memory_plan.h"
#include "server/api_key.h"
#include "server/chat_page.h"
#include "server/http_server.h"
#include "server/models/model_directory.h"
#include "server/routes.h"

#include <atomic>
#include <csignal>
#include <ctime>
#include <exception>
#include <filesystem>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
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
    "  trellis serve --models-dir DIR --models-memory 24GiB --idle-unload-seconds 900\n"
    "  trellis serve -m DIR --host 0.0.0.0 --key-file keys.txt --tls-certificate c.pem --tls-key "
    "k.pem\n"
    "  openssl rand -hex 32 | tee key.txt | trellis serve --hash-key >> keys.txt\n"
    "  trellis serve --config trellis.toml --dry-run\n"
    "Every option is a key of the configuration file, under its long name without the dashes.";

struct ServeArguments {
  ModelArguments model;
  PoolArguments pool;
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

/// Throws UserError where the model does not fit.
void print_memory_plan(const ModelArguments& model) {
  require_model(model);
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
}

/// By which clients call the model: what the command line says, or its folder's name.
std::vector<std::string> model_names(const ServeArguments& arguments) {
  if (!arguments.names.empty()) return arguments.names;
  const std::filesystem::path directory = arguments.model.model_directory;
  return {std::filesystem::weakly_canonical(directory).filename().string()};
}

/// The plan of each model by itself. 1 where one of the directory's cannot be served.
int print_memory_plans(const ServeArguments& arguments) {
  if (arguments.pool.directory.empty()) {
    print_memory_plan(arguments.model);
    return 0;
  }
  if (!arguments.model.model_directory.empty()) {
    print_text(model_names(arguments).front() + "\n");
    print_memory_plan(arguments.model);
  }
  if (arguments.pool.memory_bytes > 0) {
    const auto most = static_cast<double>(arguments.pool.memory_bytes);
    print_text(fmt::format("of all loaded models together at most {}\n", format_quantity(most, "B"))
    );
  }
  int code = 0;
  for (const std::string& name : server::scan_models(arguments.pool.directory)) {
    ModelArguments model = arguments.model;
    model.model_directory = (std::filesystem::path(arguments.pool.directory) / name).string();
    print_text(name + "\n");
    try {
      print_memory_plan(model);
    } catch (const UserError& error) {
      print_text(fmt::format("cannot be served: {}\n", error.what()));
      code = 1;
    }
  }
  return code;
}

/// Checks what can be checked before anything is loaded, and says what there is to serve.
void add_models(const ServeArguments& arguments, server::ModelPool& models) {
  if (!arguments.model.model_directory.empty()) {
    models.add(model_names(arguments), arguments.model.model_directory);
  }
  const std::string& wanted = arguments.pool.default_model;
  if (!wanted.empty() && !models.status(wanted).ok()) {
    throw UserError("--default-model {}: there is no such model", wanted);
  }
}

/// A bar for each load.
Engine::Progress show_progress() {
  return [bar = std::make_shared<std::optional<ProgressBar>>()](size_t done, size_t total) {
    if (!*bar) bar->emplace("Loading", "B");
    (*bar)->update(static_cast<double>(done), static_cast<double>(total));
    if (done >= total) bar->reset();
  };
}

/// What a signal ends.
struct Running {
  std::atomic<server::Server*> server{nullptr};
  std::atomic<server::ModelPool*> models{nullptr};  // set first
  std::atomic<bool> is_stopping{false};

  void stop() {
    server::Server* const running = server.load();
    if (running == nullptr || is_stopping.exchange(true)) _exit(kExitInterrupted);
    models.load()->stop_loading();
    running->stop();
  }
};

/// Watches the model that is loaded at start: says where the server is once that has succeeded, and
/// stops it where it has not.
class StartWatch {
 public:
  StartWatch(server::ModelWatch watch, server::Server& server, std::string first_line)
      : state_(std::make_shared<State>(std::move(watch), &server, std::move(first_line))) {
    state_->watch->on_change([state = state_] { state->look(); });
  }
  ~StartWatch() {
    const std::lock_guard lock(state_->mutex);
    state_->server = nullptr;
    state_->watch.reset();
  }
  StartWatch(const StartWatch&) = delete;
  StartWatch& operator=(const StartWatch&) = delete;

  /// What the load threw, if it did.
  std::exception_ptr thrown() const {
    const std::lock_guard lock(state_->mutex);
    return state_->watch->state().thrown;
  }

 private:
  /// Lives for as long as somebody may still call.
  struct State {
    State(server::ModelWatch its_watch, server::Server* its_server, std::string line)
        : watch(std::move(its_watch)), server(its_server), first_line(std::move(line)) {}

    void look() {
      const std::lock_guard lock(mutex);
      if (server == nullptr) return;
      const server::LoadState load = watch->state();
      if (!load.is_settled()) return;
      if (load.thrown) {
        server->stop();
      } else if (!load.error) {
        print_text(first_line);
      }
      server = nullptr;
    }

    std::mutex mutex;
    std::optional<server::ModelWatch> watch;  // until the end of what it belongs to
    server::Server* server;                   // null: there is nothing more to do
    std::string first_line;
  };

  std::shared_ptr<State> state_;
};

/// Runs the server until it is told to stop, or until the model that is loaded at its start cannot
/// be: then throws what the load threw.
void run_server(
    const ServeArguments& arguments, server::ModelPool& models, server::Server& server
) {
  const std::string& directory = arguments.model.model_directory;
  if (directory.empty()) {
    print_text(fmt::format("{} at {}\n", arguments.pool.directory, server.address()));
    return server.run();
  }
  Result<server::ModelWatch> watch = models.start(model_names(arguments).front());
  if (!watch.ok()) return server.run();  // a signal came first
  log_info("listening at {} while the model is loaded", server.address());
  const StartWatch start(
      std::move(watch).value(), server, fmt::format("{} at {}\n", directory, server.address())
  );
  server.run();
  if (const std::exception_ptr thrown = start.thrown()) std::rethrow_exception(thrown);
}

int serve(const ServeArguments& arguments) {
  if (arguments.hash_key) return hash_key();
  if (arguments.model.model_directory.empty()) {
    if (arguments.pool.directory.empty()) {
      throw UsageError("--model is required, or --models-dir, here or in the --config file");
    }
    if (!arguments.names.empty()) throw UsageError("--model-name names the model of --model");
  }
  const server::ServerOptions options = server_options(arguments.server);
  if (arguments.dry_run) return print_memory_plans(arguments);
  // What is wrong with an address or a key is said before anything else is looked at.
  server::Server(options, {});
  if (!arguments.model.model_directory.empty()) require_model(arguments.model);

  Running running;
  const InterruptWatcher watcher([&running] { running.stop(); }, {SIGINT, SIGTERM});
  const std::unique_ptr<ModelLoader> loader = make_model_loader();
  server::ModelPoolOptions pool = pool_options(arguments.pool, arguments.model, *loader);
  pool.on_progress = show_progress();
  server::ModelPool models(std::move(pool), *loader);
  add_models(arguments, models);
  server::ServerContext context = {
      models, std::time(nullptr), TRELLIS_VERSION,
      arguments.pooling == kPoolings[0] ? Pooling::kMean : Pooling::kLast,
      milliseconds(arguments.pool.load_wait_seconds)
  };
  std::vector<server::Route> routes = server::make_routes(context);
  for (server::Route& route : server::chat_page_routes()) routes.push_back(std::move(route));
  server::Server server(options, std::move(routes));
  running.models.store(&models);
  running.server.store(&server);
  run_server(arguments, models, server);
  running.server.store(nullptr);
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
  add_pool_options(command, arguments->pool);
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
