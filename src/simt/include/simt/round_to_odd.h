// Rounding fp64 to a 16-bit float by way of fp32 without rounding twice.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace simt {

/// The fp32 neighbour of an fp64 whose last bit is odd, unless it is an fp32 itself. Rounding that
/// to fewer bits gives what rounding the fp64 would.
inline float round_to_odd(double value) {
  const auto nearest = static_cast<float>(value);
  if (std::isnan(value) || static_cast<double>(nearest) == value) return nearest;
  const auto bits = std::bit_cast<uint32_t>(nearest);
  if (bits & 1u) return nearest;
  const bool too_large = std::fabs(static_cast<double>(nearest)) > std::fabs(value);
  return std::bit_cast<float>(too_large ? bits - 1 : bits + 1);
}

}  // namespace simt
