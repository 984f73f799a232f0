// Times on the command line: seconds, fractions allowed.
#pragma once

#include "apps/trellis/option_values.h"

#include <CLI/CLI.hpp>

#include <chrono>

namespace trellis {

inline double seconds(std::chrono::milliseconds time) {
  return std::chrono::duration<double>(time).count();
}

inline std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::duration<double>(seconds
  ));
}

/// From `least` to a day.
inline CLI::Option* seconds_option(CLI::Option* option, double least = 0.001) {
  constexpr double kMostSeconds = 86400;
  return number_between(option, least, kMostSeconds)->capture_default_str();
}

}  // namespace trellis
