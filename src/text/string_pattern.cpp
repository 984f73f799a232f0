#include "text/string_pattern.h"

#include <utility>

namespace trellis {

StringPattern::StringPattern(std::string pattern)
    : text(std::move(pattern)), fallback(text.size(), 0) {
  size_t length = 0;
  for (size_t i = 1; i < text.size(); ++i) {
    while (length > 0 && text[i] != text[length]) length = fallback[length - 1];
    if (text[i] == text[length]) ++length;
    fallback[i] = length;
  }
}

void StringPattern::advance(char byte) {
  while (matched > 0 && byte != text[matched]) matched = fallback[matched - 1];
  if (byte == text[matched]) ++matched;
}

}  // namespace trellis
