// Atomics: relaxed, as on the device. They make one access indivisible and order nothing else.
#pragma once

#include <bit>
#include <type_traits>

namespace simt {

/// Replaces *address by update(*address) and returns what was there.
template <typename T, typename Update>
T atomic_update(T* address, Update update) {
  using Bits = std::conditional_t<sizeof(T) == 8, unsigned long long, unsigned>;
  static_assert(sizeof(T) == sizeof(Bits));
  auto* bits = reinterpret_cast<Bits*>(address);
  Bits old = __atomic_load_n(bits, __ATOMIC_RELAXED);
  while (true) {
    const Bits wanted = std::bit_cast<Bits>(static_cast<T>(update(std::bit_cast<T>(old))));
    if (__atomic_compare_exchange_n(
            bits, &old, wanted, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED
        )) {
      return std::bit_cast<T>(old);
    }
  }
}

template <typename T>
concept AtomicInteger =
    std::is_same_v<T, int> || std::is_same_v<T, unsigned> || std::is_same_v<T, unsigned long long>;

template <typename T>
concept AtomicNumber = AtomicInteger<T> || std::is_same_v<T, float> || std::is_same_v<T, double>;

}  // namespace simt

template <simt::AtomicNumber T>
T atomicAdd(T* address, std::type_identity_t<T> value) {
  return simt::atomic_update(address, [=](T old) { return old + value; });
}

template <simt::AtomicInteger T>
T atomicSub(T* address, std::type_identity_t<T> value) {
  return simt::atomic_update(address, [=](T old) { return old - value; });
}

template <simt::AtomicInteger T>
T atomicMax(T* address, std::type_identity_t<T> value) {
  return simt::atomic_update(address, [=](T old) { return old > value ? old : value; });
}

template <simt::AtomicInteger T>
T atomicMin(T* address, std::type_identity_t<T> value) {
  return simt::atomic_update(address, [=](T old) { return old < value ? old : value; });
}

template <simt::AtomicInteger T>
T atomicAnd(T* address, std::type_identity_t<T> value) {
  return simt::atomic_update(address, [=](T old) { return old & value; });
}

template <simt::AtomicInteger T>
T atomicOr(T* address, std::type_identity_t<T> value) {
  return simt::atomic_update(address, [=](T old) { return old | value; });
}

template <simt::AtomicInteger T>
T atomicXor(T* address, std::type_identity_t<T> value) {
  return simt::atomic_update(address, [=](T old) { return old ^ value; });
}

template <simt::AtomicNumber T>
T atomicExch(T* address, std::type_identity_t<T> value) {
  return simt::atomic_update(address, [=](T) { return value; });
}

template <simt::AtomicInteger T>
T atomicCAS(T* address, std::type_identity_t<T> compare, std::type_identity_t<T> value) {
  return simt::atomic_update(address, [=](T old) { return old == compare ? value : old; });
}
