// TRELLIS_HD marks functions that also compile for the device under nvcc. Pure math that the CPU
// kernels, the CUDA kernels, the converter and the tests share is written once with it (see exl3/).
#pragma once

#if defined(__CUDACC__)
#define TRELLIS_HD __host__ __device__
#else
#define TRELLIS_HD
#endif
