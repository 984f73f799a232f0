// The float types that kernels read; what the launchers' pointers point to.
#pragma once

#include <cstdint>

namespace trellis::cuda {

enum class FloatType : uint8_t { kFloat32, kFloat16, kBFloat16 };

}  // namespace trellis::cuda
