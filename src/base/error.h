// The three kinds of failure. UserError: a file, flag or request is wrong, and the message tells a
// stranger what to do. DeviceError: hardware or driver. InternalError: our bug, thrown by
// TRELLIS_CHECK. On the request path errors are values instead, see result.h.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace trellis {

/// Something outside the program is wrong. The message names the file, the key, what was found and
/// what would do.
class UserError : public std::runtime_error {
 public:
  explicit UserError(const std::string& message) : std::runtime_error(message) {}

  template <typename... Args>
  explicit UserError(fmt::format_string<Args...> format, Args&&... args)
    requires(sizeof...(Args) > 0)
      : std::runtime_error(fmt::format(format, std::forward<Args>(args)...)) {}
};

/// A device failed: out of memory, a lost GPU, a broken link.
class DeviceError : public std::runtime_error {
 public:
  explicit DeviceError(const std::string& message) : std::runtime_error(message) {}
};

/// An invariant of this program does not hold.
class InternalError : public std::logic_error {
 public:
  explicit InternalError(const std::string& message) : std::logic_error(message) {}
};

namespace detail {
[[noreturn]] inline void check_failed(
    const char* file, int line, const char* expression, const std::string& message
) {
  throw InternalError(fmt::format("{}:{}: {} does not hold: {}", file, line, expression, message));
}
}  // namespace detail

}  // namespace trellis

/// Throws InternalError unless the condition holds. Never reachable by user input.
#define TRELLIS_CHECK(condition, message)                                         \
  do {                                                                            \
    if (!(condition)) {                                                           \
      ::trellis::detail::check_failed(__FILE__, __LINE__, #condition, (message)); \
    }                                                                             \
  } while (false)

/// Throws InternalError with both values unless they are equal.
#define TRELLIS_CHECK_EQ(left, right, message)                                  \
  do {                                                                          \
    const auto& trellis_left = (left);                                          \
    const auto& trellis_right = (right);                                        \
    if (!(trellis_left == trellis_right)) {                                     \
      ::trellis::detail::check_failed(                                          \
          __FILE__, __LINE__, #left " == " #right,                              \
          fmt::format("{} ({} and {})", (message), trellis_left, trellis_right) \
      );                                                                        \
    }                                                                           \
  } while (false)
