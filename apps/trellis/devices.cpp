// `trellis devices`: what this machine offers to run on, or in one sentence why there is no GPU.
#include "backend/devices.h"

#include "apps/trellis/model_arguments.h"
#include "apps/trellis/output.h"
#include "apps/trellis/progress_bar.h"
#include "apps/trellis/verbs.h"

namespace trellis {
namespace {

constexpr const char* kExamples =
    "Examples:\n"
    "  trellis devices\n"
    "  trellis devices --json";

OrderedJson text_or_null(const std::string& text) {
  return text.empty() ? OrderedJson(nullptr) : OrderedJson(text);
}

/// What a GPU has free, where it can be used at all and says so.
std::optional<size_t> available_bytes(const GpuDevice& gpu) {
  return gpu.problem.empty() ? available_gpu_memory(gpu.index) : std::nullopt;
}

std::string bytes_text(size_t bytes) {
  return format_quantity(static_cast<double>(bytes), "B");
}

OrderedJson cpu_json(const CpuDevice& cpu) {
  OrderedJson document;
  document["name"] = cpu.name;
  document["isa"] = cpu.isa;
  document["threads"] = cpu.num_threads;
  document["total_bytes"] = cpu.total_bytes;
  document["available_bytes"] = cpu.available_bytes;
  return document;
}

OrderedJson gpu_json(const GpuDevice& gpu) {
  OrderedJson document;
  document["index"] = gpu.index;
  document["name"] = gpu.name;
  document["compute_capability"] = fmt::format("{}.{}", gpu.compute_major, gpu.compute_minor);
  document["multiprocessors"] = gpu.multiprocessors;
  document["total_bytes"] = gpu.total_bytes;
  const std::optional<size_t> available = available_bytes(gpu);
  document["available_bytes"] = available ? OrderedJson(*available) : OrderedJson(nullptr);
  document["problem"] = text_or_null(gpu.problem);
  return document;
}

OrderedJson devices_json(const CpuDevice& cpu, const GpuList& list) {
  OrderedJson document;
  document["cpu"] = cpu_json(cpu);
  document["gpus"] = OrderedJson::array();
  for (const GpuDevice& gpu : list.gpus) document["gpus"].push_back(gpu_json(gpu));
  document["no_gpu_because"] = text_or_null(list.reason);
  document["cuda_driver"] = text_or_null(list.cuda_driver);
  document["cuda_runtime"] = text_or_null(list.cuda_runtime);
  return document;
}

std::string gpu_line(const GpuDevice& gpu) {
  if (gpu.name.empty()) return fmt::format("GPU {}  unusable: {}\n", gpu.index, gpu.problem);
  const std::optional<size_t> available = available_bytes(gpu);
  return fmt::format(
      "GPU {}  {}, compute capability {}.{}, {} multiprocessors, {}{}{}{}\n", gpu.index, gpu.name,
      gpu.compute_major, gpu.compute_minor, gpu.multiprocessors,
      available ? bytes_text(*available) + " free of " : "", bytes_text(gpu.total_bytes),
      gpu.problem.empty() ? "" : "; unusable: ", gpu.problem
  );
}

std::string devices_text(const CpuDevice& cpu, const GpuList& list) {
  std::string text = fmt::format(
      "CPU    {}, {}, {} thread{}, {} free of {}\n", cpu.name, cpu.isa, cpu.num_threads,
      cpu.num_threads == 1 ? "" : "s", bytes_text(cpu.available_bytes), bytes_text(cpu.total_bytes)
  );
  for (const GpuDevice& gpu : list.gpus) text += gpu_line(gpu);
  if (!list.reason.empty()) text += fmt::format("No GPU: {}.\n", list.reason);
  if (!list.cuda_runtime.empty()) {
    text += fmt::format(
        "CUDA   {} in this build, {}\n", list.cuda_runtime,
        list.cuda_driver.empty() ? "no driver" : "driver for up to " + list.cuda_driver
    );
  }
  return text;
}

}  // namespace

RunVerb define_devices(CLI::App& command) {
  auto json = std::make_shared<bool>(false);
  add_json_flag(command, *json);
  command.footer(kExamples);
  return [json] {
    const CpuDevice cpu = describe_cpu();
    const GpuList list = list_gpus();
    if (*json) {
      print_json(devices_json(cpu, list));
    } else {
      print_text(devices_text(cpu, list));
    }
    return 0;
  };
}

}  // namespace trellis
