// Bytes in, whole UTF-8 characters out: how text is streamed when a character spans several tokens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace trellis {

/// Holds back an unfinished character, at most 3 bytes. What can never become a character leaves as
/// U+FFFD, one for each maximal part that could have started one (Unicode 15, 3.9, table 3-8). One
/// thread at a time.
class Utf8Buffer {
 public:
  /// Takes bytes; returns the text that they complete, valid UTF-8.
  std::string push(std::string_view bytes);

  /// The end: an unfinished character becomes U+FFFD.
  std::string flush();

  size_t pending_bytes() const { return pending_.size(); }

 private:
  void push_byte(uint8_t byte, std::string& output);
  void start_character(uint8_t byte, std::string& output);

  std::string pending_;         // a valid start of a character
  int missing_ = 0;             // bytes that its character still needs
  uint8_t lowest_next_ = 0x80;  // the range of the byte that may follow, inclusive
  uint8_t highest_next_ = 0xBF;
};

}  // namespace trellis
