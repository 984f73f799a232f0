// Errors as values, for the path of a request: one bad request never disturbs its neighbours.
#pragma once

#include "base/error.h"

#include <string>
#include <utility>
#include <variant>

namespace trellis {

/// What a client is told. status: the HTTP status that fits; parameter: the request field at fault,
/// or empty.
struct ApiError {
  int status = 400;
  std::string code;
  std::string message;
  std::string parameter;
};

/// A value or the ApiError that stands in its place.
template <typename T>
class Result {
 public:
  Result(T value) : state_(std::move(value)) {}         // NOLINT(google-explicit-constructor)
  Result(ApiError error) : state_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return std::holds_alternative<T>(state_); }
  explicit operator bool() const { return ok(); }

  /// The value; InternalError if there is none.
  T& value() & {
    TRELLIS_CHECK(ok(), "value() of a failed Result");
    return std::get<T>(state_);
  }
  const T& value() const& {
    TRELLIS_CHECK(ok(), "value() of a failed Result");
    return std::get<T>(state_);
  }
  T&& value() && {
    TRELLIS_CHECK(ok(), "value() of a failed Result");
    return std::get<T>(std::move(state_));
  }

  /// The error; InternalError if there is a value.
  const ApiError& error() const {
    TRELLIS_CHECK(!ok(), "error() of a Result that holds a value");
    return std::get<ApiError>(state_);
  }

 private:
  std::variant<T, ApiError> state_;
};

}  // namespace trellis
