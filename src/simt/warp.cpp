// What the last lane to arrive at a warp operation computes for all of them.
#include "simt/warp.h"

#include <algorithm>
#include <bit>

namespace simt {
namespace {

// What a lane gets that is not of the mask: no value that a right kernel would compute with.
constexpr uint64_t kPoison = 0xFFFFFFFFFFFFFFFFu;

template <typename Visit>
void for_each_lane(unsigned mask, Visit visit) {
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) visit(std::countr_zero(rest));
}

Ballot& ballot_of(void* operand) {
  return *static_cast<Ballot*>(operand);
}

template <typename Join>
void reduce(void* const* operands, unsigned mask, Join join) {
  auto result = static_cast<unsigned>(ballot_of(operands[std::countr_zero(mask)]).value);
  for_each_lane(mask & (mask - 1), [&](int lane) {
    result = join(result, static_cast<unsigned>(ballot_of(operands[lane]).value));
  });
  for_each_lane(mask, [&](int lane) { ballot_of(operands[lane]).result = result; });
}

}  // namespace

void shuffle(void* const* operands, unsigned mask) {
  for_each_lane(mask, [&](int lane) {
    auto& own = *static_cast<Shuffle*>(operands[lane]);
    const bool present = (mask >> own.source & 1u) != 0;
    own.result = present ? static_cast<Shuffle*>(operands[own.source])->value : kPoison;
  });
}

void ballot(void* const* operands, unsigned mask) {
  unsigned result = 0;
  for_each_lane(mask, [&](int lane) {
    result |= static_cast<unsigned>(ballot_of(operands[lane]).value) << lane;
  });
  for_each_lane(mask, [&](int lane) { ballot_of(operands[lane]).result = result; });
}

void match(void* const* operands, unsigned mask) {
  for_each_lane(mask, [&](int lane) {
    Ballot& own = ballot_of(operands[lane]);
    own.result = 0;
    for_each_lane(mask, [&](int other) {
      own.result |= static_cast<unsigned>(ballot_of(operands[other]).value == own.value) << other;
    });
  });
}

void reduce_add(void* const* operands, unsigned mask) {
  reduce(operands, mask, [](unsigned a, unsigned b) { return a + b; });
}

void reduce_and(void* const* operands, unsigned mask) {
  reduce(operands, mask, [](unsigned a, unsigned b) { return a & b; });
}

void reduce_or(void* const* operands, unsigned mask) {
  reduce(operands, mask, [](unsigned a, unsigned b) { return a | b; });
}

void reduce_xor(void* const* operands, unsigned mask) {
  reduce(operands, mask, [](unsigned a, unsigned b) { return a ^ b; });
}

void reduce_min_unsigned(void* const* operands, unsigned mask) {
  reduce(operands, mask, [](unsigned a, unsigned b) { return std::min(a, b); });
}

void reduce_max_unsigned(void* const* operands, unsigned mask) {
  reduce(operands, mask, [](unsigned a, unsigned b) { return std::max(a, b); });
}

void reduce_min_signed(void* const* operands, unsigned mask) {
  reduce(operands, mask, [](unsigned a, unsigned b) {
    return static_cast<int>(a) < static_cast<int>(b) ? a : b;
  });
}

void reduce_max_signed(void* const* operands, unsigned mask) {
  reduce(operands, mask, [](unsigned a, unsigned b) {
    return static_cast<int>(a) > static_cast<int>(b) ? a : b;
  });
}

}  // namespace simt
