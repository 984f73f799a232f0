// The memory behind the pages: every layer's keys and values, in one allocation. One of the three
// owners of device memory.
#pragma once

#include "backend/backend.h"

#include <cstddef>
#include <functional>
#include <vector>

namespace trellis {

/// What one model's cache looks like.
struct CacheSpec {
  int num_layers = 0;
  int num_kv_heads = 0;
  int head_dim = 0;
  KvTypes types;
};

class CacheStorage {
 public:
  /// Throws UserError when the backend has not enough memory, and as bytes_per_page() does.
  CacheStorage(Backend& backend, const CacheSpec& spec, int num_pages);

  /// Keys and values of one layer; args.h says how they lie.
  KvLayer layer(int index) const;
  /// Makes a page hold what another one does, behind what was issued to the backend before.
  void copy_page(Backend& backend, int from, int to) const;
  /// Copies a page into bytes_per_page() of host memory, of Backend::allocate_staging(), and back:
  /// layer by layer its keys, their scales, its values, their scales. What save_page() returns
  /// waits until the memory may be read; when restore_page() returns it may be changed.
  std::function<void()> save_page(Backend& backend, int page, void* memory) const;
  void restore_page(Backend& backend, const void* memory, int page) const;
  size_t bytes() const { return storage_.bytes(); }

  /// Bytes of one position over all layers, keys and values. Throws UserError for a quantized cache
  /// of heads that do not divide into groups.
  static size_t bytes_per_token(const CacheSpec& spec);
  /// The same of one page.
  static size_t bytes_per_page(const CacheSpec& spec) {
    return kPageTokens * bytes_per_token(spec);
  }

 private:
  KvSide side(KvType type, size_t begin) const;
  /// The stretches of a page, in the order of save_page().
  std::vector<Tensor> page_parts(int page) const;

  CacheSpec spec_;
  int num_pages_;
  Buffer storage_;
};

}  // namespace trellis
