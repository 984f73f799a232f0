// Which GPUs code runs on, from the architectures that it was compiled for.
#pragma once

#include <charconv>
#include <string>
#include <string_view>

namespace trellis::cuda {

/// Whether code compiled for `arch` runs on a GPU of compute capability major.minor. Arch is as in
/// TRELLIS_CUDA_ARCHS: "86" is machine code and runs on its own major version from its minor
/// version on; "90a" uses what that GPU alone has; "120-virtual" is PTX, which the driver compiles
/// for any later GPU. Source: CUDA Programming Guide, "Compute capabilities".
inline bool runs_on(std::string_view arch, int major, int minor) {
  int number = 0;
  const auto [end, error] = std::from_chars(arch.data(), arch.data() + arch.size(), number);
  if (error != std::errc()) return false;
  const std::string_view suffix(end, static_cast<size_t>(arch.data() + arch.size() - end));
  const int wanted = 10 * major + minor;
  if (suffix == "a") return wanted == number;
  if (suffix == "-virtual") return wanted >= number;
  return major == number / 10 && wanted >= number;
}

/// Whether `is` holds for one of several architectures, separated by commas.
template <typename Predicate>
bool any_architecture(std::string_view archs, const Predicate& is) {
  while (true) {
    const size_t comma = archs.find(',');
    if (is(archs.substr(0, comma))) return true;
    if (comma == std::string_view::npos) return false;
    archs.remove_prefix(comma + 1);
  }
}

/// Whether one of several architectures, separated by commas, runs there.
inline bool any_runs_on(std::string_view archs, int major, int minor) {
  return any_architecture(archs, [&](std::string_view arch) {
    return runs_on(arch, major, minor);
  });
}

/// Whether one of several architectures, separated by commas, is this one.
inline bool any_is(std::string_view archs, std::string_view arch) {
  return any_architecture(archs, [&](std::string_view candidate) { return candidate == arch; });
}

}  // namespace trellis::cuda
