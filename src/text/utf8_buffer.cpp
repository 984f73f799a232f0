#include "text/utf8_buffer.h"

namespace trellis {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

}  // namespace

std::string Utf8Buffer::push(std::string_view bytes) {
  std::string output;
  output.reserve(bytes.size() + pending_.size());
  for (const char byte : bytes) push_byte(static_cast<uint8_t>(byte), output);
  return output;
}

std::string Utf8Buffer::flush() {
  const bool unfinished = missing_ > 0;
  pending_.clear();
  missing_ = 0;
  return unfinished ? std::string(kReplacement) : std::string();
}

void Utf8Buffer::push_byte(uint8_t byte, std::string& output) {
  if (missing_ == 0) {
    start_character(byte, output);
    return;
  }
  if (byte < lowest_next_ || byte > highest_next_) {
    output += flush();
    start_character(byte, output);
    return;
  }
  pending_.push_back(static_cast<char>(byte));
  lowest_next_ = 0x80;
  highest_next_ = 0xBF;
  if (--missing_ == 0) {
    output += pending_;
    pending_.clear();
  }
}

// The ranges of the second byte keep out overlong forms, surrogates and what lies beyond U+10FFFF
// (table 3-7).
void Utf8Buffer::start_character(uint8_t byte, std::string& output) {
  lowest_next_ = 0x80;
  highest_next_ = 0xBF;
  if (byte < 0x80) {
    output.push_back(static_cast<char>(byte));
    return;
  }
  if (byte >= 0xC2 && byte <= 0xDF) {
    missing_ = 1;
  } else if (byte >= 0xE0 && byte <= 0xEF) {
    missing_ = 2;
    if (byte == 0xE0) lowest_next_ = 0xA0;
    if (byte == 0xED) highest_next_ = 0x9F;
  } else if (byte >= 0xF0 && byte <= 0xF4) {
    missing_ = 3;
    if (byte == 0xF0) lowest_next_ = 0x90;
    if (byte == 0xF4) highest_next_ = 0x8F;
  } else {
    output += kReplacement;
    return;
  }
  pending_.push_back(static_cast<char>(byte));
}

}  // namespace trellis
