// The keywords of CUDA C++. __shared__ is not among them: the build rewrites each declaration of a
// shared variable, see simt/shared_memory.h and cmake/TrellisSimt.cmake.
#pragma once

#define TRELLIS_SIMT 1

#define __global__
#define __device__
#define __host__
#define __constant__
#define __managed__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(bytes) __attribute__((aligned(bytes)))
