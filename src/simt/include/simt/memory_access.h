// Loads and stores with a cache hint, which has no meaning here, and the clock.
#pragma once

#include <chrono>
#include <type_traits>

#define SIMT_LOAD(name)      \
  template <typename T>      \
  T name(const T* address) { \
    return *address;         \
  }
#define SIMT_STORE(name)                                 \
  template <typename T>                                  \
  void name(T* address, std::type_identity_t<T> value) { \
    *address = value;                                    \
  }

SIMT_LOAD(__ldg)
SIMT_LOAD(__ldca)
SIMT_LOAD(__ldcg)
SIMT_LOAD(__ldcs)
SIMT_LOAD(__ldlu)
SIMT_LOAD(__ldcv)
SIMT_STORE(__stwb)
SIMT_STORE(__stcg)
SIMT_STORE(__stcs)
SIMT_STORE(__stwt)

#undef SIMT_LOAD
#undef SIMT_STORE

/// Nanoseconds of a steady clock.
inline long long clock64() {
  return std::chrono::steady_clock::now().time_since_epoch().count();
}
inline void __nanosleep(unsigned /*nanoseconds*/) {}
