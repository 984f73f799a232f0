// Kernels over rows of numbers, written once over an instruction set's vocabulary (TRELLIS_ISA and
// its vector header come first): norms, sums, gates, rotation, and changes of format.
#pragma once

#include "backend/cpu/kernels.h"

namespace trellis::cpu::TRELLIS_ISA {
namespace {

inline int tail(int64_t left) {
  return left < kLanes ? static_cast<int>(left) : kLanes;
}
inline Floats load_up_to(const float* p, int n) {
  return n == kLanes ? load(p) : load_part(p, n);
}
inline void store_up_to(float* p, Floats v, int n) {
  if (n == kLanes) {
    store(p, v);
  } else {
    store_part(p, v, n);
  }
}

/// e^x, within 2 units in the last place; inputs are clamped to what fp32 can hold. NaN stays NaN.
inline Floats exponential(Floats x) {
  // x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts keeps r exact; a Taylor polynomial of
  // degree 7 gives e^r.
  x = smaller(fill(88.0f), larger(fill(-87.0f), x));
  const Floats n = round_nearest(mul(x, fill(1.44269504088896341f)));
  Floats r = fma(n, fill(-0.693359375f), x);
  r = fma(n, fill(2.12194440e-4f), r);
  Floats value = fill(1.0f / 5040);
  value = fma(value, r, fill(1.0f / 720));
  value = fma(value, r, fill(1.0f / 120));
  value = fma(value, r, fill(1.0f / 24));
  value = fma(value, r, fill(1.0f / 6));
  value = fma(value, r, fill(0.5f));
  value = fma(value, r, fill(1.0f));
  value = fma(value, r, fill(1.0f));
  return mul(value, power_of_two(n));
}

void rms_norm(const float* x, const float* weight, float epsilon, float* y, int64_t n) {
  Floats squares = fill(0.0f);
  for (int64_t i = 0; i < n; i += kLanes) {
    const Floats v = load_up_to(x + i, tail(n - i));
    squares = fma(v, v, squares);
  }
  const float mean = sum(squares) / static_cast<float>(n);
  const Floats scale = fill(1.0f / __builtin_sqrtf(mean + epsilon));
  for (int64_t i = 0; i < n; i += kLanes) {
    const int lanes = tail(n - i);
    store_up_to(
        y + i, mul(mul(load_up_to(x + i, lanes), scale), load_up_to(weight + i, lanes)), lanes
    );
  }
}

void add_row(float* x, const float* y, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) {
    const int lanes = tail(n - i);
    store_up_to(x + i, add(load_up_to(x + i, lanes), load_up_to(y + i, lanes)), lanes);
  }
}

void silu_multiply(const float* gate, const float* up, float* out, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) {
    const int lanes = tail(n - i);
    const Floats g = load_up_to(gate + i, lanes);
    const Floats gated = div(g, add(fill(1.0f), exponential(sub(fill(0.0f), g))));
    store_up_to(out + i, mul(gated, load_up_to(up + i, lanes)), lanes);
  }
}

/// Reads n 16-bit numbers in whole vectors, the last ones through a copy.
template <typename Load>
inline void widen(const uint16_t* x, float* y, int64_t n, const Load& load_wide) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, load_wide(x + i));
  if (i == n) return;
  uint16_t rest[kLanes] = {};
  __builtin_memcpy(rest, x + i, static_cast<unsigned>(n - i) * sizeof(uint16_t));
  store_part(y + i, load_wide(rest), static_cast<int>(n - i));
}
void widen_half(const uint16_t* x, float* y, int64_t n) {
  widen(x, y, n, [](const uint16_t* p) { return load_half(p); });
}
void widen_bfloat16(const uint16_t* x, float* y, int64_t n) {
  widen(x, y, n, [](const uint16_t* p) { return load_bfloat16(p); });
}

void narrow_half(const float* x, uint16_t* y, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store_half(y + i, load(x + i));
  if (i == n) return;
  uint16_t rest[kLanes];
  store_half(rest, load_part(x + i, static_cast<int>(n - i)));
  __builtin_memcpy(y + i, rest, static_cast<unsigned>(n - i) * sizeof(uint16_t));
}

void rotate(
    float* x, const float* cosines, const float* sines, int64_t heads, int64_t head_dim,
    int64_t half
) {
  for (int64_t head = 0; head < heads; ++head, x += head_dim) {
    for (int64_t i = 0; i < half; i += kLanes) {
      const int lanes = tail(half - i);
      const Floats a = load_up_to(x + i, lanes);
      const Floats b = load_up_to(x + half + i, lanes);
      const Floats c = load_up_to(cosines + i, lanes);
      const Floats s = load_up_to(sines + i, lanes);
      store_up_to(x + i, sub(mul(a, c), mul(b, s)), lanes);
      store_up_to(x + half + i, add(mul(b, c), mul(a, s)), lanes);
    }
  }
}

}  // namespace
}  // namespace trellis::cpu::TRELLIS_ISA
