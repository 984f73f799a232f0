// SipHash-2-4 with 128 bits of output: a hash that nobody can find collisions of without its key.
// Source: Aumasson & Bernstein 2012 (SipHash: a fast short-input PRF), and its 128-bit variant in
// the authors' reference code.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace trellis {

using SipKey = std::array<uint64_t, 2>;

struct Hash128 {
  uint64_t low = 0;
  uint64_t high = 0;

  bool operator==(const Hash128&) const = default;
};

/// Hashes the bytes; words are little-endian.
Hash128 siphash128(const SipKey& key, std::span<const std::byte> bytes);

/// A key that differs from process to process.
SipKey random_sip_key();

}  // namespace trellis
