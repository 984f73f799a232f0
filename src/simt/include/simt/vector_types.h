// CUDA's built-in vector types: their members, sizes and alignments.
#pragma once

#define SIMT_VECTOR_TYPES(base, scalar, align2, align4)                      \
  struct base##1 {                                                           \
    scalar x;                                                                \
  };                                                                         \
  struct alignas(align2) base##2 {                                           \
    scalar x, y;                                                             \
  };                                                                         \
  struct base##3 {                                                           \
    scalar x, y, z;                                                          \
  };                                                                         \
  struct alignas(align4) base##4 {                                           \
    scalar x, y, z, w;                                                       \
  };                                                                         \
  constexpr base##1 make_##base##1(scalar x) {                               \
    return {x};                                                              \
  }                                                                          \
  constexpr base##2 make_##base##2(scalar x, scalar y) {                     \
    return {x, y};                                                           \
  }                                                                          \
  constexpr base##3 make_##base##3(scalar x, scalar y, scalar z) {           \
    return {x, y, z};                                                        \
  }                                                                          \
  constexpr base##4 make_##base##4(scalar x, scalar y, scalar z, scalar w) { \
    return {x, y, z, w};                                                     \
  }

SIMT_VECTOR_TYPES(char, signed char, 2, 4)
SIMT_VECTOR_TYPES(uchar, unsigned char, 2, 4)
SIMT_VECTOR_TYPES(short, short, 4, 8)
SIMT_VECTOR_TYPES(ushort, unsigned short, 4, 8)
SIMT_VECTOR_TYPES(int, int, 8, 16)
SIMT_VECTOR_TYPES(uint, unsigned, 8, 16)
SIMT_VECTOR_TYPES(longlong, long long, 16, 16)
SIMT_VECTOR_TYPES(ulonglong, unsigned long long, 16, 16)
SIMT_VECTOR_TYPES(float, float, 8, 16)
SIMT_VECTOR_TYPES(double, double, 16, 16)

#undef SIMT_VECTOR_TYPES

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
  constexpr operator uint3() const { return {x, y, z}; }
};
