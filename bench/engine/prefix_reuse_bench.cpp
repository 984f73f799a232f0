// How soon an answer starts whose prompt is known: the time from the request to its first token, of
// 4,096 tokens of which 4,000 are on the device, in the host's memory or on the disk, or of which
// nothing is. The bundled model, told that it takes as many; what it says there is of no matter.
#include "base/json.h"
#include "base/result.h"
#include "base/temporary_directory.h"
#include "trellis/engine.h"

#include <benchmark/benchmark.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

namespace trellis {
namespace {

constexpr int kPromptTokens = 4096;
constexpr int kKnownTokens = 4000;

/// The files of the bundled model, but for the length that it takes.
class LongModel {
 public:
  LongModel() {
    const std::filesystem::path model = TRELLIS_SOURCE_DIR "/models/demo-25m-exl3-4.0bpw";
    for (const auto& entry : std::filesystem::directory_iterator(model)) {
      std::filesystem::create_symlink(entry.path(), folder_.path() / entry.path().filename());
    }
    Json config = read_json_file(model / "config.json");
    config["max_position_embeddings"] = 2 * kPromptTokens;
    std::filesystem::remove(folder_.path() / "config.json");
    folder_.write("config.json", config.dump());
  }
  std::string path() const { return folder_.path().string(); }

 private:
  TemporaryDirectory folder_;
};

EngineOptions options_of(const LongModel& model) {
  EngineOptions options;
  options.model_directory = model.path();
  options.context_tokens = kPromptTokens + 256;
  return options;
}

/// Seconds to the first token. The last tokens of the prompt depend on `end`; cached: how many are
/// to be found.
double time_first_token(Engine& engine, int end, const std::string& salt, int64_t cached) {
  Request request;
  for (int i = 0; i < kPromptTokens; ++i) {
    const int tail = i < kKnownTokens ? 0 : end + 1;
    request.prompt_ids.push_back(100 + (i * 7 + i / 13 + tail * 31) % 1000);
  }
  request.max_tokens = 1;
  request.cache_salt = salt;
  const auto begin = std::chrono::steady_clock::now();
  const auto stream = engine.submit(std::move(request));
  const auto event = stream.value()->next();
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
  if (event->usage.cached_tokens != cached) throw std::runtime_error("found another part");
  return time.count();
}

void cold(benchmark::State& state) {
  const LongModel model;
  const auto engine = Engine::load(options_of(model));
  int round = 0;
  for (auto _ : state) {
    state.SetIterationTime(time_first_token(*engine, 0, std::to_string(++round), 0));
  }
}

void on_device(benchmark::State& state) {
  const LongModel model;
  const auto engine = Engine::load(options_of(model));
  int round = 0;
  time_first_token(*engine, 0, "", 0);
  for (auto _ : state) {
    state.SetIterationTime(time_first_token(*engine, ++round, "", kKnownTokens));
  }
}

void in_host_memory(benchmark::State& state) {
  const LongModel model;
  EngineOptions options = options_of(model);
  options.host_cache_bytes = int64_t{48} << 20;  // some three such prompts
  const auto engine = Engine::load(options);
  int round = 0;
  // Once each of its pages has been written to, the system has no more of them to bring.
  for (int i = 0; i < 4; ++i) time_first_token(*engine, 0, "other" + std::to_string(i), 0);
  time_first_token(*engine, 0, "", 0);
  for (auto _ : state) {
    ++round;
    time_first_token(*engine, 0, std::to_string(round), 0);
    state.SetIterationTime(time_first_token(*engine, round, "", kKnownTokens));
  }
}

void on_disk(benchmark::State& state) {
  const LongModel model;
  const TemporaryDirectory folder;
  EngineOptions options = options_of(model);
  options.cache_directory = (folder.path() / "cache").string();
  time_first_token(*Engine::load(options), 0, "", 0);
  int round = 0;
  for (auto _ : state) {
    const auto engine = Engine::load(options);
    state.SetIterationTime(time_first_token(*engine, ++round, "", kKnownTokens));
  }
}

BENCHMARK(cold)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(3);
BENCHMARK(on_device)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(10);
BENCHMARK(in_host_memory)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(3);
BENCHMARK(on_disk)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(5);

}  // namespace
}  // namespace trellis

BENCHMARK_MAIN();
