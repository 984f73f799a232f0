// One-line log messages to stderr, key=value style. Nothing is logged at info inside a step.
#pragma once

#include <spdlog/spdlog.h>

#include <string_view>

namespace trellis {

/// Sends the log to stderr and sets its level: "error", "warn", "info", "debug", or "off".
/// Throws UserError on another name. Call once, from main.
void configure_log(std::string_view level);

template <typename... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  spdlog::debug(format, std::forward<Args>(args)...);
}
template <typename... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  spdlog::info(format, std::forward<Args>(args)...);
}
template <typename... Args>
void log_warn(fmt::format_string<Args...> format, Args&&... args) {
  spdlog::warn(format, std::forward<Args>(args)...);
}

}  // namespace trellis
