// What this machine offers to run on: its CPU, and its GPUs as far as this build can reach them.
// backend/create.cpp makes the backends.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace trellis {

struct CpuDevice {
  std::string name;  // as the processor calls itself
  std::string isa;   // the instruction set that the CPU backend takes: "avx512"
  int num_threads = 0;
  size_t total_bytes = 0;
  size_t available_bytes = 0;
};

struct GpuDevice {
  int index = 0;
  std::string name;
  int compute_major = 0;
  int compute_minor = 0;
  int multiprocessors = 0;
  size_t total_bytes = 0;
  std::string problem;  // why this build cannot use it; empty: it can
};

struct GpuList {
  std::vector<GpuDevice> gpus;
  std::string reason;        // why there is none, one sentence without a full stop
  std::string cuda_driver;   // newest CUDA version that the driver knows: "13.0"; empty: no driver
  std::string cuda_runtime;  // CUDA version this build is made with; empty: without CUDA
};

/// Throws UserError when TRELLIS_CPU_ISA names an instruction set that this machine cannot run.
CpuDevice describe_cpu();

/// Takes no memory on any GPU. Never throws, and returns within a minute even where the driver does
/// not answer.
GpuList list_gpus();

/// Bytes free on a GPU that has no problem, or nothing where it would not say. Asking takes some
/// hundred megabytes of it until the process ends.
std::optional<size_t> available_gpu_memory(int index);

}  // namespace trellis
