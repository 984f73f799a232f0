#include "base/siphash.h"

#include <bit>
#include <cstring>
#include <random>

namespace trellis {
namespace {

class SipState {
 public:
  explicit SipState(const SipKey& key)
      : v0_(key[0] ^ 0x736f6d6570736575u),
        v1_(key[1] ^ 0x646f72616e646f6du ^ 0xee),
        v2_(key[0] ^ 0x6c7967656e657261u),
        v3_(key[1] ^ 0x7465646279746573u) {}

  void compress(uint64_t word) {
    v3_ ^= word;
    rounds(2);
    v0_ ^= word;
  }
  Hash128 finish() {
    v2_ ^= 0xee;
    rounds(4);
    const uint64_t low = v0_ ^ v1_ ^ v2_ ^ v3_;
    v1_ ^= 0xdd;
    rounds(4);
    return {low, v0_ ^ v1_ ^ v2_ ^ v3_};
  }

 private:
  void rounds(int count) {
    for (int i = 0; i < count; ++i) {
      v0_ += v1_;
      v1_ = std::rotl(v1_, 13) ^ v0_;
      v0_ = std::rotl(v0_, 32);
      v2_ += v3_;
      v3_ = std::rotl(v3_, 16) ^ v2_;
      v0_ += v3_;
      v3_ = std::rotl(v3_, 21) ^ v0_;
      v2_ += v1_;
      v1_ = std::rotl(v1_, 17) ^ v2_;
      v2_ = std::rotl(v2_, 32);
    }
  }

  uint64_t v0_;
  uint64_t v1_;
  uint64_t v2_;
  uint64_t v3_;
};

}  // namespace

Hash128 siphash128(const SipKey& key, std::span<const std::byte> bytes) {
  SipState state(key);
  size_t begin = 0;
  for (; begin + sizeof(uint64_t) <= bytes.size(); begin += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data() + begin, sizeof(word));
    state.compress(word);
  }
  // The rest, and the length in the last byte.
  uint64_t last = static_cast<uint64_t>(bytes.size()) << 56;
  for (size_t i = 0; begin + i < bytes.size(); ++i) {
    last |= static_cast<uint64_t>(bytes[begin + i]) << (8 * i);
  }
  state.compress(last);
  return state.finish();
}

SipKey random_sip_key() {
  std::random_device random;
  const auto word = [&] { return static_cast<uint64_t>(random()) << 32 | random(); };
  return {word(), word()};
}

}  // namespace trellis
