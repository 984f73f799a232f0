// Converts a model directory with dense weights to EXL3, without calibration data: the library side
// of `trellis quantize`. An interrupted conversion goes on where it stopped.
#pragma once

#include "exl3/codebook.h"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace trellis {

struct QuantizeOptions {
  std::filesystem::path input;   // Hugging Face directory with safetensors in fp16, bf16 or fp32
  std::filesystem::path output;  // must not exist, or be an empty directory
  double bits = 4.0;             // average of all linear layers but the head, 1 to 8
  int head_bits = 6;             // of the output head: 1 to 8, or 16 to leave it as it is
  exl3::Codebook codebook = exl3::Codebook::kMul1;
  int threads = 0;    // 0: one per CPU; does not change the result
  uint64_t seed = 0;  // of the signs to begin with; the same seed gives the same bytes
  uint64_t max_shard_bytes = uint64_t{8} << 30;
};

struct QuantizeProgress {
  std::string layer;  // e.g. "model.layers.0.self_attn.q_proj"
  int64_t layer_index = 0;
  int64_t num_layers = 0;
  double done = 0.0;  // share of all weights, 0 to 1
};

/// What became of one linear layer.
struct LinearReport {
  std::string key;
  int bits = 0;
  int64_t in = 0;
  int64_t out = 0;
  float gain = 0.0f;
  double relative_error = 0.0;  // ||W - W'||^2 / ||W||^2
  double seconds = 0.0;
  bool reused = false;  // finished by an earlier, interrupted conversion
};

struct QuantizeReport {
  bool cancelled = false;  // the finished layers are kept for the next attempt
  std::vector<LinearReport> linears;
  double bits_per_weight = 0.0;      // of all linear layers but the head, without scales
  double mean_relative_error = 0.0;  // of all linear layers, by number of weights
  uint64_t input_bytes = 0;          // of the weights
  uint64_t output_bytes = 0;
  double seconds = 0.0;
};

/// Quantizes every linear layer of a supported model, copies all other tensors (fp32 as fp16) and
/// files, and writes config.json and quantization_config.json. Works in the directory
/// "<output>.partial", which becomes <output> at the very end.
/// progress (may be empty) is called by the calling thread, several times per layer. cancel (may be
/// null) is looked at as often. Throws UserError.
QuantizeReport quantize_model(
    const QuantizeOptions& options,
    const std::function<void(const QuantizeProgress&)>& progress = {},
    const std::atomic<bool>* cancel = nullptr
);

}  // namespace trellis
