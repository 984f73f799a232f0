// The sections of `trellis gpu-check`, each in the file of its name.
#pragma once

#include "apps/trellis/gpu_check/gpu_report.h"

#include <string>
#include <vector>

namespace trellis {

struct GpuCheckOptions {
  std::string backend = "cuda";
  std::vector<std::string> models;  // directories
  std::string shape = "llama-3.1-8b";
  std::string cases;  // of ops: a regular expression that is found in "<group>: <case>"; empty: all
};

/// Which kernels serve a block of the shape.
void show_plan(const GpuCheckOptions& options, GpuReport& report);

/// Every op of the case list of the tests, against the reference in fp64.
void check_ops(const GpuCheckOptions& options, GpuReport& report);

/// Each model's tokens against those recorded beside it, and its logits against the CPU backend's.
void check_models(const GpuCheckOptions& options, GpuReport& report);

/// Each model's answers again, and beside others: the same tokens.
void check_determinism(const GpuCheckOptions& options, GpuReport& report);

/// One sequence, at every width of the weights; and steps of several tokens of it.
void measure_decoding(const GpuCheckOptions& options, GpuReport& report);
/// Many sequences in one step.
void measure_batches(const GpuCheckOptions& options, GpuReport& report);
void measure_prompts(const GpuCheckOptions& options, GpuReport& report);
/// One sequence behind 32k tokens.
void measure_long_context(const GpuCheckOptions& options, GpuReport& report);

/// From files in memory to the first token: random weights of the shape, written for it, or the
/// first of the models where there is no room for them.
void measure_load(const GpuCheckOptions& options, GpuReport& report);

/// Some op cases under NVIDIA's compute-sanitizer, where there is one.
void check_sanitizer(const GpuCheckOptions& options, GpuReport& report);

}  // namespace trellis
