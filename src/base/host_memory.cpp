#include "base/host_memory.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

namespace trellis {
namespace {

/// Bytes that /proc/meminfo gives for a key. "MemAvailable:" is free memory and what caches would
/// give back.
size_t system_memory(std::string_view wanted) {
  std::ifstream file("/proc/meminfo");
  std::string key;
  while (file >> key) {
    size_t kibibytes = 0;
    if (key == wanted && file >> kibibytes) return kibibytes * 1024;
    file.ignore(4096, '\n');
  }
  return 0;
}

std::optional<size_t> read_number(const char* path) {
  std::ifstream file(path);
  size_t number = 0;
  if (file >> number) return number;
  return std::nullopt;  // no such file, or the word "max"
}

}  // namespace

size_t available_host_memory() {
  const size_t system = system_memory("MemAvailable:");
  const std::optional<size_t> limit = read_number("/sys/fs/cgroup/memory.max");
  const std::optional<size_t> used = read_number("/sys/fs/cgroup/memory.current");
  if (!limit || !used) return system;
  return std::min(system, *limit > *used ? *limit - *used : 0);
}

size_t total_host_memory() {
  const size_t system = system_memory("MemTotal:");
  const std::optional<size_t> limit = read_number("/sys/fs/cgroup/memory.max");
  return limit && system > 0 ? std::min(system, *limit) : system;
}

}  // namespace trellis
