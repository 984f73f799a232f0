// What kernels read of themselves. One thread runs at a time in the process, so these are plain
// variables that change with the thread.
#pragma once

#include "simt/vector_types.h"

extern uint3 threadIdx;
extern uint3 blockIdx;
extern dim3 blockDim;
extern dim3 gridDim;

inline constexpr int warpSize = 32;
