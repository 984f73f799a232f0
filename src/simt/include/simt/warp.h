// Warp operations: shuffles, votes, reductions and matches over the lanes of a mask.
#pragma once

#include "simt/collective.h"

#include <bit>
#include <cstdint>
#include <type_traits>

namespace simt {

/// What a lane brings to a shuffle, and what it takes home. A source outside the mask leaves the
/// poison that tells a wrong shuffle from a right one.
struct Shuffle {
  uint64_t value;
  unsigned source;
  uint64_t result;
};
void shuffle(void* const* operands, unsigned mask);

/// What a lane brings to a vote, a match or a reduction, and what it takes home.
struct Ballot {
  uint64_t value;
  unsigned result;
};
void ballot(void* const* operands, unsigned mask);
void match(void* const* operands, unsigned mask);
void reduce_add(void* const* operands, unsigned mask);
void reduce_and(void* const* operands, unsigned mask);
void reduce_or(void* const* operands, unsigned mask);
void reduce_xor(void* const* operands, unsigned mask);
void reduce_min_signed(void* const* operands, unsigned mask);
void reduce_max_signed(void* const* operands, unsigned mask);
void reduce_min_unsigned(void* const* operands, unsigned mask);
void reduce_max_unsigned(void* const* operands, unsigned mask);

template <typename T>
uint64_t to_bits(T value) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);
  uint64_t bits = 0;
  __builtin_memcpy(&bits, &value, sizeof(T));
  return bits;
}

template <typename T>
T from_bits(uint64_t bits) {
  T value;
  __builtin_memcpy(static_cast<void*>(&value), &bits, sizeof(T));
  return value;
}

template <typename T>
T shuffle_from(unsigned mask, T value, unsigned source, const char* operation, const Where& where) {
  Shuffle operand{to_bits(value), source, 0};
  meet(mask, &operand, shuffle, operation, where);
  return from_bits<T>(operand.result);
}

inline unsigned vote(
    unsigned mask, uint64_t value, Combine combine, const char* operation, const Where& where
) {
  Ballot operand{value, 0};
  meet(mask, &operand, combine, operation, where);
  return operand.result;
}

}  // namespace simt

template <typename T>
T __shfl_sync(
    unsigned mask, T value, int source, int width = 32,
    const simt::Where& where = simt::Where::current()
) {
  const unsigned segment = simt::lane() & ~static_cast<unsigned>(width - 1);
  const unsigned from =
      segment | (static_cast<unsigned>(source) & static_cast<unsigned>(width - 1));
  return simt::shuffle_from(mask, value, from, "__shfl_sync", where);
}

template <typename T>
T __shfl_up_sync(
    unsigned mask, T value, unsigned delta, int width = 32,
    const simt::Where& where = simt::Where::current()
) {
  const unsigned lane = simt::lane();
  const unsigned in_segment = lane & static_cast<unsigned>(width - 1);
  const unsigned from = in_segment >= delta ? lane - delta : lane;
  return simt::shuffle_from(mask, value, from, "__shfl_up_sync", where);
}

template <typename T>
T __shfl_down_sync(
    unsigned mask, T value, unsigned delta, int width = 32,
    const simt::Where& where = simt::Where::current()
) {
  const unsigned lane = simt::lane();
  const unsigned in_segment = lane & static_cast<unsigned>(width - 1);
  const unsigned from = in_segment + delta < static_cast<unsigned>(width) ? lane + delta : lane;
  return simt::shuffle_from(mask, value, from, "__shfl_down_sync", where);
}

template <typename T>
T __shfl_xor_sync(
    unsigned mask, T value, int lanes, int width = 32,
    const simt::Where& where = simt::Where::current()
) {
  const unsigned lane = simt::lane();
  const unsigned target = lane ^ static_cast<unsigned>(lanes);
  // A lane of a later segment is out of reach; one of an earlier segment is not.
  const unsigned end = (lane & ~static_cast<unsigned>(width - 1)) + static_cast<unsigned>(width);
  return simt::shuffle_from(mask, value, target < end ? target : lane, "__shfl_xor_sync", where);
}

inline unsigned __ballot_sync(
    unsigned mask, int predicate, const simt::Where& where = simt::Where::current()
) {
  return simt::vote(mask, predicate != 0, simt::ballot, "__ballot_sync", where);
}

inline int __any_sync(
    unsigned mask, int predicate, const simt::Where& where = simt::Where::current()
) {
  return simt::vote(mask, predicate != 0, simt::ballot, "__any_sync", where) != 0;
}

inline int __all_sync(
    unsigned mask, int predicate, const simt::Where& where = simt::Where::current()
) {
  return simt::vote(mask, predicate == 0, simt::ballot, "__all_sync", where) == 0;
}

/// Which lanes happen to run together is up to the machine; here each runs alone.
inline unsigned __activemask() {
  return 1u << simt::lane();
}

template <typename T>
unsigned __match_any_sync(
    unsigned mask, T value, const simt::Where& where = simt::Where::current()
) {
  return simt::vote(mask, simt::to_bits(value), simt::match, "__match_any_sync", where);
}

inline unsigned __reduce_add_sync(
    unsigned mask, unsigned value, const simt::Where& where = simt::Where::current()
) {
  return simt::vote(mask, value, simt::reduce_add, "__reduce_add_sync", where);
}

inline int __reduce_add_sync(
    unsigned mask, int value, const simt::Where& where = simt::Where::current()
) {
  return static_cast<int>(__reduce_add_sync(mask, static_cast<unsigned>(value), where));
}

inline unsigned __reduce_min_sync(
    unsigned mask, unsigned value, const simt::Where& where = simt::Where::current()
) {
  return simt::vote(mask, value, simt::reduce_min_unsigned, "__reduce_min_sync", where);
}

inline int __reduce_min_sync(
    unsigned mask, int value, const simt::Where& where = simt::Where::current()
) {
  const auto bits = static_cast<unsigned>(value);
  return static_cast<int>(
      simt::vote(mask, bits, simt::reduce_min_signed, "__reduce_min_sync", where)
  );
}

inline unsigned __reduce_max_sync(
    unsigned mask, unsigned value, const simt::Where& where = simt::Where::current()
) {
  return simt::vote(mask, value, simt::reduce_max_unsigned, "__reduce_max_sync", where);
}

inline int __reduce_max_sync(
    unsigned mask, int value, const simt::Where& where = simt::Where::current()
) {
  const auto bits = static_cast<unsigned>(value);
  return static_cast<int>(
      simt::vote(mask, bits, simt::reduce_max_signed, "__reduce_max_sync", where)
  );
}

inline unsigned __reduce_and_sync(
    unsigned mask, unsigned value, const simt::Where& where = simt::Where::current()
) {
  return simt::vote(mask, value, simt::reduce_and, "__reduce_and_sync", where);
}

inline unsigned __reduce_or_sync(
    unsigned mask, unsigned value, const simt::Where& where = simt::Where::current()
) {
  return simt::vote(mask, value, simt::reduce_or, "__reduce_or_sync", where);
}

inline unsigned __reduce_xor_sync(
    unsigned mask, unsigned value, const simt::Where& where = simt::Where::current()
) {
  return simt::vote(mask, value, simt::reduce_xor, "__reduce_xor_sync", where);
}
