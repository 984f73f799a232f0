// A linear layer's weight in the layout its backend likes. Opaque: only the backend that packed it
// looks inside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace trellis {

class Backend;

/// Immutable once packed; may be read by many steps. Must not outlive its backend.
class PackedLinear {
 public:
  virtual ~PackedLinear() = default;
  PackedLinear(const PackedLinear&) = delete;
  PackedLinear& operator=(const PackedLinear&) = delete;

  const Backend& owner() const { return owner_; }
  int64_t in_features() const { return in_features_; }
  int64_t out_features() const { return out_features_; }

  /// Bytes that one use of the layer streams from memory.
  virtual size_t bytes() const = 0;
  /// e.g. "fp16" or "exl3 4-bit mul1"
  virtual std::string format() const = 0;

 protected:
  PackedLinear(const Backend& owner, int64_t in_features, int64_t out_features)
      : owner_(owner), in_features_(in_features), out_features_(out_features) {}

 private:
  const Backend& owner_;
  int64_t in_features_;
  int64_t out_features_;
};

}  // namespace trellis
