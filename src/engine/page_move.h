// What is to happen to the contents of pages before the next step: the scheduler decides, the cache
// tiers do it.
#pragma once

namespace trellis {

struct PageMove {
  enum class Kind {
    kCopy,     // page `from` to page `to`
    kSave,     // page `from` to the host's place `to`
    kRestore,  // the host's place `from` to page `to`
  };

  Kind kind = Kind::kCopy;
  int from = -1;
  int to = -1;

  bool operator==(const PageMove&) const = default;
};

}  // namespace trellis
