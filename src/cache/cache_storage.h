// The memory behind the pages: every layer's keys and values, in one allocation. One of the three
// owners of device memory.
#pragma once

#include "backend/backend.h"

#include <cstddef>

namespace trellis {

/// What one model's cache looks like.
struct CacheSpec {
  int num_layers = 0;
  int num_kv_heads = 0;
  int head_dim = 0;
  DType dtype = DType::kFloat16;  // fp16 or fp32
};

class CacheStorage {
 public:
  /// Throws UserError when the backend has not enough memory.
  CacheStorage(Backend& backend, const CacheSpec& spec, int num_pages);

  /// Keys and values of one layer, each [pages, kv_heads, kPageTokens, head_dim].
  KvLayer layer(int index) const;
  size_t bytes() const { return storage_.bytes(); }

  /// Bytes of one page over all layers, keys and values.
  static size_t bytes_per_page(const CacheSpec& spec);

 private:
  CacheSpec spec_;
  int num_pages_;
  Buffer storage_;
};

}  // namespace trellis
