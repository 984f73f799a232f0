#include "cache/cache_storage.h"

namespace trellis {

CacheStorage::CacheStorage(Backend& backend, const CacheSpec& spec, int num_pages)
    : spec_(spec),
      num_pages_(num_pages),
      storage_(backend.allocate(bytes_per_page(spec) * static_cast<size_t>(num_pages))) {}

KvLayer CacheStorage::layer(int index) const {
  TRELLIS_CHECK(index >= 0 && index < spec_.num_layers, "the layer has a cache");
  const Shape shape = {num_pages_, spec_.num_kv_heads, kPageTokens, spec_.head_dim};
  const size_t bytes = static_cast<size_t>(shape.numel()) * dtype_bytes(spec_.dtype);
  const size_t begin = 2 * bytes * static_cast<size_t>(index);
  return {
      storage_.view(spec_.dtype, shape, begin), storage_.view(spec_.dtype, shape, begin + bytes)
  };
}

size_t CacheStorage::bytes_per_page(const CacheSpec& spec) {
  return 2 * static_cast<size_t>(spec.num_layers) * static_cast<size_t>(spec.num_kv_heads) *
         kPageTokens * static_cast<size_t>(spec.head_dim) * dtype_bytes(spec.dtype);
}

}  // namespace trellis
