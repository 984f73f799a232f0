#include "convert/quantize_model.h"

#include "base/error.h"
#include "base/thread_pool.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/model_config.h"
#include "checkpoint/weights.h"
#include "convert/finished_linears.h"
#include "convert/linear_quantizer.h"
#include "convert/model_files.h"
#include "convert/model_linears.h"
#include "convert/model_writer.h"
#include "convert/random_signs.h"
#include "model/registry.h"

#include <chrono>
#include <cmath>
#include <optional>

namespace trellis {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void check_options(const QuantizeOptions& options) {
  if (!(options.bits >= 1.0 && options.bits <= 8.0)) {
    throw UserError("bits must be 1 to 8, found {}", options.bits);
  }
  const bool head_is_valid = options.head_bits == kUnquantizedHeadBits ||
                             (options.head_bits >= 1 && options.head_bits <= 8);
  if (!head_is_valid) {
    throw UserError(
        "head_bits must be 1 to 8, or 16 to leave the head as it is, found {}", options.head_bits
    );
  }
  if (options.threads < 0) {
    throw UserError("threads must be at least 0 (one per CPU), found {}", options.threads);
  }
  if (options.output.empty()) throw UserError("no output directory was named");
  std::error_code error;
  const bool is_taken = std::filesystem::exists(options.output, error) &&
                        !std::filesystem::is_empty(options.output, error);
  if (is_taken) {
    throw UserError(
        "{}: already exists; remove it or choose another output", options.output.string()
    );
  }
}

/// The output's path without a slash at its end, so that ".partial" can follow.
std::filesystem::path without_trailing_slash(const std::filesystem::path& path) {
  return path.has_filename() ? path : path.parent_path();
}

/// One conversion.
class Conversion {
 public:
  Conversion(
      const QuantizeOptions& options, const std::function<void(const QuantizeProgress&)>& progress,
      const std::atomic<bool>* cancel
  )
      : options_(options),
        progress_(progress),
        cancel_(cancel),
        config_(read_model_config(options.input)),
        spec_(make_model_spec(config_)),
        checkpoint_(options.input),
        linears_(list_linears(spec_, config_, options.bits, options.head_bits)),
        pool_(options.threads) {
    for (const ModelLinear& linear : linears_) total_weights_ += linear.num_weights();
  }

  QuantizeReport run() {
    const Clock::time_point start = Clock::now();
    const std::filesystem::path output = without_trailing_slash(options_.output);
    const std::filesystem::path partial = output.string() + ".partial";
    if (config_.quantization) {
      throw UserError(
          "{}: is quantized already ({}); convert the original model instead",
          options_.input.string(), config_.quantization->quant_method
      );
    }
    for (const ModelLinear& linear : linears_) load(linear);  // refuse before hours of work
    check_copied();
    FinishedLinears finished(partial / "linears");
    QuantizeReport report;
    for (size_t index = 0; index < linears_.size() && !report.cancelled; ++index) {
      report.cancelled = !quantize(index, finished, report);
    }
    if (!report.cancelled) write_model(partial / "model", output, finished, report);
    if (!report.cancelled) {
      finished.remove_all();
      std::error_code error;
      std::filesystem::remove(partial, error);  // stays if someone else's files are in it
    }
    report.seconds = seconds_since(start);
    return report;
  }

 private:
  /// Throws UserError if what stays unquantized could not be loaded later.
  void check_copied() const {
    load_matrix(checkpoint_, spec_.embedding, config_.vocab_size, config_.hidden_size);
    const auto check_norm = [this](const NormSpec& norm) {
      load_vector(checkpoint_, norm.name, norm.size);
    };
    for (const LayerSpec& layer : spec_.layers) {
      check_norm(layer.attention_norm);
      check_norm(layer.mlp_norm);
      if (layer.attention.query_norm) check_norm(*layer.attention.query_norm);
      if (layer.attention.key_norm) check_norm(*layer.attention.key_norm);
    }
    check_norm(spec_.final_norm);
  }

  /// The dense weight of a layer. UserError if it is not dense.
  DenseWeight load(const ModelLinear& linear) const {
    const LinearSpec& spec = linear.spec;
    LinearWeight weight = linear.is_head
                              ? load_head(checkpoint_, spec.in, spec.out, spec_.tied_head)
                              : load_linear(checkpoint_, spec.key, spec.in, spec.out, spec.bias);
    if (const auto* dense = std::get_if<DenseWeight>(&weight)) return *dense;
    throw UserError(
        "{}: is quantized already; convert the original model instead",
        checkpoint_.where(spec.key + ".trellis")
    );
  }

  bool is_cancelled() const { return cancel_ != nullptr && cancel_->load(); }

  bool tell(size_t index, double layer_done) const {
    if (progress_) {
      const double weights = static_cast<double>(linears_[index].num_weights());
      progress_({
          linears_[index].spec.key,
          static_cast<int64_t>(index),
          static_cast<int64_t>(linears_.size()),
          (static_cast<double>(done_weights_) + layer_done * weights) /
              static_cast<double>(total_weights_),
      });
    }
    return !is_cancelled();
  }

  /// Quantizes a layer or finds it finished. False if cancelled.
  bool quantize(size_t index, const FinishedLinears& finished, QuantizeReport& report) {
    const ModelLinear& linear = linears_[index];
    const Clock::time_point start = Clock::now();
    if (!tell(index, 0.0)) return false;
    const LinearRecipe recipe = {
        linear.spec.key,
        load(linear).weight,
        {linear.bits, options_.codebook, seed_of(options_.seed, linear.spec.key)},
    };
    LinearReport entry = {linear.spec.key, linear.bits, linear.spec.in, linear.spec.out};
    std::optional<FinishedLinears::Result> result = finished.find(recipe);
    entry.reused = result.has_value();
    if (!result) {
      const auto listen = [&](double done) { return tell(index, done); };
      std::optional<QuantizedLinear> quantized;
      try {
        quantized = quantize_linear(recipe.weight, recipe.options, pool_, listen);
      } catch (const UserError& error) {
        throw UserError("{}: {}", checkpoint_.where(recipe.key), error.what());
      }
      if (!quantized) return false;
      finished.add(recipe, *quantized);
      result = FinishedLinears::Result{quantized->gain, quantized->relative_error};
    }
    entry.gain = result->gain;
    entry.relative_error = result->relative_error;
    entry.seconds = seconds_since(start);
    report.linears.push_back(entry);
    done_weights_ += linear.num_weights();
    return true;
  }

  /// Puts the directory together and gives it its name.
  void write_model(
      const std::filesystem::path& directory, const std::filesystem::path& output,
      const FinishedLinears& finished, QuantizeReport& report
  ) const {
    report.bits_per_weight = average_bits(linears_);
    double weighted_error = 0.0;
    for (size_t index = 0; index < linears_.size(); ++index) {
      weighted_error +=
          report.linears[index].relative_error * static_cast<double>(linears_[index].num_weights());
    }
    report.mean_relative_error = weighted_error / static_cast<double>(total_weights_);
    report.input_bytes = checkpoint_.bytes();

    std::filesystem::remove_all(directory);
    std::filesystem::create_directories(directory);
    TensorStorage storage(options_.codebook);
    report.output_bytes = write_tensors(
        checkpoint_, linears_, finished, directory, options_.max_shard_bytes, storage
    );
    copy_model_files(options_.input, directory);
    write_configs(
        options_.input, directory, {report.bits_per_weight, options_.head_bits, options_.codebook},
        storage
    );
    std::error_code error;
    std::filesystem::rename(directory, output, error);
    if (error) {
      throw UserError(
          "{}: cannot be renamed to {}: {}", directory.string(), output.string(), error.message()
      );
    }
  }

  const QuantizeOptions& options_;
  const std::function<void(const QuantizeProgress&)>& progress_;
  const std::atomic<bool>* cancel_;
  ModelConfig config_;
  ModelSpec spec_;
  Checkpoint checkpoint_;
  std::vector<ModelLinear> linears_;
  ThreadPool pool_;
  int64_t total_weights_ = 0;
  int64_t done_weights_ = 0;
};

}  // namespace

QuantizeReport quantize_model(
    const QuantizeOptions& options, const std::function<void(const QuantizeProgress&)>& progress,
    const std::atomic<bool>* cancel
) {
  check_options(options);
  return Conversion(options, progress, cancel).run();
}

}  // namespace trellis
