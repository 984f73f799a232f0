// The section that times loading, from the call to the first token, with the files in memory.
#include "apps/trellis/bare_model.h"
#include "apps/trellis/gpu_check/sections.h"
#include "apps/trellis/output.h"
#include "apps/trellis/random_checkpoint.h"
#include "apps/trellis/shapes.h"
#include "apps/trellis/weight_sizes.h"
#include "base/temporary_directory.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>
#include <optional>
#include <system_error>

namespace trellis {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kLoads = 3;  // the first finds the kernels not loaded either
constexpr int64_t kContextTokens = 256;
constexpr RandomWeights kWeights = {4, exl3::Codebook::kMul1, 6, 0};

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

struct LoadTiming {
  double to_first_token_s = std::numeric_limits<double>::max();
  double weights_s = std::numeric_limits<double>::max();  // of that, until all are packed
  size_t bytes = 0;                                       // of the checkpoint
};

/// The fastest of several times.
LoadTiming time_load(
    const std::filesystem::path& directory, const ModelConfig& config, const std::string& backend
) {
  LoadTiming fastest;
  for (int i = 0; i < kLoads; ++i) {
    const Clock::time_point begin = Clock::now();
    const auto device = create_backend(backend, {});
    const Checkpoint checkpoint(directory);
    std::shared_ptr<const Model> model = load_model(checkpoint, config, *device);
    const double weights_s = seconds_since(begin);
    BareModel bare(model, *device, same_kv_types(KvType::kFloat16), 1, kContextTokens);
    bare.run_all(0, std::vector<int32_t>{1});
    fastest.to_first_token_s = std::min(fastest.to_first_token_s, seconds_since(begin));
    fastest.weights_s = std::min(fastest.weights_s, weights_s);
    fastest.bytes = checkpoint.bytes();
  }
  return fastest;
}

void report_load(const std::string& what, const LoadTiming& timing, GpuReport& report) {
  report.figure(
      fmt::format("load {}, warm file cache, to the first token", what), timing.to_first_token_s,
      "s"
  );
  report.figure(
      fmt::format("load {}, warm file cache, weights", what),
      static_cast<double>(timing.bytes) / timing.weights_s / 1e9, "GB/s"
  );
}

/// Whether the folder for temporary files has room for that many bytes, and some to spare.
bool has_room(size_t bytes) {
  std::error_code error;
  const auto folder = std::filesystem::temp_directory_path(error);
  if (error) return false;
  const auto space = std::filesystem::space(folder, error);
  return !error && space.available > bytes + bytes / 8;
}

}  // namespace

void measure_load(const GpuCheckOptions& options, GpuReport& report) {
  const ModelConfig config = shape_config(options.shape);
  const size_t bytes = random_weight_sizes(config, kWeights.bits, kWeights.head_bits).total();
  if (has_room(bytes)) {
    const TemporaryDirectory directory;
    print_note(fmt::format("  writing random weights to {}\n", directory.path().string()));
    write_random_checkpoint(config, kWeights, directory.path());
    const std::string what = fmt::format("{} K={} mul1", options.shape, kWeights.bits);
    return report_load(what, time_load(directory.path(), config, options.backend), report);
  }
  if (options.models.empty()) {
    throw UserError(
        "the folder for temporary files has no room for {} bytes of weights; set TMPDIR, or name a "
        "model (--models)",
        bytes
    );
  }
  const std::filesystem::path directory = options.models.front();
  const LoadTiming timing =
      time_load(directory, read_model_config(directory.string()), options.backend);
  report_load(directory.filename().string(), timing, report);
}

}  // namespace trellis
