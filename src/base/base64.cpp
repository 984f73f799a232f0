#include "base/base64.h"

#include <cstdint>

namespace trellis {

std::string base64_encode(std::span<const std::byte> bytes) {
  constexpr const char* kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t begin = 0; begin < bytes.size(); begin += 3) {
    uint32_t group = 0;
    for (size_t i = 0; i < 3; ++i) {
      const bool is_there = begin + i < bytes.size();
      group = group << 8 | (is_there ? std::to_integer<uint32_t>(bytes[begin + i]) : 0);
    }
    for (size_t digit = 0; digit < 4; ++digit) {
      const bool is_padding = begin + digit > bytes.size();
      text += is_padding ? '=' : kDigits[group >> (6 * (3 - digit)) & 63];
    }
  }
  return text;
}

}  // namespace trellis
