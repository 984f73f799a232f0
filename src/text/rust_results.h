// Owners of what the Rust text library hands out, so that it is freed on every path. Private to
// src/text.
#pragma once

#include "trellis_text.h"

#include <string>
#include <string_view>

namespace trellis {

/// Bytes written by one call: a text or an error message.
class RustBytes {
 public:
  RustBytes() = default;
  ~RustBytes() {
    if (bytes_.data != nullptr) trellis_text_bytes_free(bytes_);
  }
  RustBytes(const RustBytes&) = delete;
  RustBytes& operator=(const RustBytes&) = delete;

  trellis_text_bytes* out() { return &bytes_; }
  std::string to_string() const {
    if (bytes_.size == 0) return {};
    return {reinterpret_cast<const char*>(bytes_.data), bytes_.size};
  }

 private:
  trellis_text_bytes bytes_{nullptr, 0};
};

/// Token ids written by one call.
class RustIds {
 public:
  RustIds() = default;
  ~RustIds() {
    if (ids_.data != nullptr) trellis_text_ids_free(ids_);
  }
  RustIds(const RustIds&) = delete;
  RustIds& operator=(const RustIds&) = delete;

  trellis_text_ids* out() { return &ids_; }
  const uint32_t* begin() const { return ids_.data; }
  const uint32_t* end() const { return ids_.data + ids_.size; }

 private:
  trellis_text_ids ids_{nullptr, 0};
};

inline const uint8_t* rust_data(std::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

}  // namespace trellis
