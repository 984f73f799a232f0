#include "apps/trellis/gpu_check/machine.h"

#include "backend/devices.h"

#include <fmt/chrono.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

namespace trellis {
namespace {

/// One line for each GPU; empty where there is no nvidia-smi.
std::string ask_nvidia_smi() {
  constexpr const char* kCommand =
      "nvidia-smi --query-gpu=name,driver_version,clocks.sm,clocks.max.sm,clocks.mem,power.draw,"
      "power.limit,temperature.gpu,memory.used,memory.total --format=csv,noheader 2>/dev/null";
  const std::unique_ptr<FILE, decltype(&pclose)> pipe(popen(kCommand, "r"), pclose);
  if (!pipe) return "";
  std::string text;
  char buffer[512];
  while (std::fgets(buffer, sizeof(buffer), pipe.get()) != nullptr) text += buffer;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace

OrderedJson describe_machine(const Backend& backend) {
  const GpuList list = list_gpus();
  OrderedJson machine;
  machine["backend"] = backend.name();
  machine["device"] = backend.isa();
  machine["cuda driver"] = list.cuda_driver;
  machine["cuda runtime"] = list.cuda_runtime;
  machine["nvidia-smi"] = ask_nvidia_smi();
  machine["cpu"] = describe_cpu().name;
  machine["version"] = TRELLIS_VERSION;
  machine["commit"] = TRELLIS_COMMIT;
  machine["date"] = fmt::format(
      "{:%Y-%m-%d %H:%M} UTC",
      fmt::gmtime(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()))
  );
  return machine;
}

}  // namespace trellis
