// What a fuzzer demands of a result: a crash with a message, which libFuzzer reports with the
// input.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace trellis {

inline void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

}  // namespace trellis
