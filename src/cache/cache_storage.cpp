#include "cache/cache_storage.h"

#include "exl3/kv_quant.h"

namespace trellis {

CacheStorage::CacheStorage(Backend& backend, const CacheSpec& spec, int num_pages)
    : spec_(spec),
      num_pages_(num_pages),
      storage_(backend.allocate(bytes_per_page(spec) * static_cast<size_t>(num_pages))) {}

KvLayer CacheStorage::layer(int index) const {
  TRELLIS_CHECK(index >= 0 && index < spec_.num_layers, "the layer has a cache");
  const auto rows =
      static_cast<size_t>(num_pages_) * static_cast<size_t>(spec_.num_kv_heads) * kPageTokens;
  const size_t key_bytes = rows * kv_row_bytes(spec_.types.keys, spec_.head_dim);
  const size_t value_bytes = rows * kv_row_bytes(spec_.types.values, spec_.head_dim);
  const size_t begin = (key_bytes + value_bytes) * static_cast<size_t>(index);
  const KvSide keys = side(spec_.types.keys, begin);
  const KvSide values = side(spec_.types.values, begin + key_bytes);
  return {keys.numbers, values.numbers, keys.scales, values.scales};
}

std::vector<Tensor> CacheStorage::page_parts(int page) const {
  TRELLIS_CHECK(page >= 0 && page < num_pages_, "a page of the cache");
  std::vector<Tensor> parts;
  for (int index = 0; index < spec_.num_layers; ++index) {
    const KvLayer kv = layer(index);
    for (const Tensor& tensor : {kv.keys, kv.key_scales, kv.values, kv.value_scales}) {
      if (tensor.empty()) continue;
      const Tensor pages = tensor.reshape({num_pages_, tensor.numel() / num_pages_});
      parts.push_back(pages.slice_rows(page, 1));
    }
  }
  return parts;
}

void CacheStorage::copy_page(Backend& backend, int from, int to) const {
  const std::vector<Tensor> sources = page_parts(from);
  const std::vector<Tensor> destinations = page_parts(to);
  if (from == to) return;
  for (size_t i = 0; i < sources.size(); ++i) backend.copy(sources[i], destinations[i]);
}

std::function<void()> CacheStorage::save_page(Backend& backend, int page, void* memory) const {
  std::vector<Download> downloads;
  auto* next = static_cast<char*>(memory);
  for (const Tensor& part : page_parts(page)) {
    downloads.push_back({part, next});
    next += part.bytes();
  }
  return backend.start_downloads(downloads);
}

void CacheStorage::restore_page(Backend& backend, const void* memory, int page) const {
  const auto* next = static_cast<const char*>(memory);
  for (const Tensor& part : page_parts(page)) {
    backend.upload(part, next);
    next += part.bytes();
  }
}

KvSide CacheStorage::side(KvType type, size_t begin) const {
  const auto shape = [&](int64_t row_size) {
    return Shape{num_pages_, spec_.num_kv_heads, kPageTokens, row_size};
  };
  if (!is_quantized(type)) {
    const DType dtype = type == KvType::kFloat16 ? DType::kFloat16 : DType::kFloat32;
    return {storage_.view(dtype, shape(spec_.head_dim), begin), {}};
  }
  const int64_t groups = spec_.head_dim / exl3::kKvGroup;
  const Tensor words = storage_.view(DType::kUint32, shape(groups * kv_bits(type)), begin);
  return {words, storage_.view(DType::kFloat16, shape(groups), begin + words.bytes())};
}

size_t CacheStorage::bytes_per_token(const CacheSpec& spec) {
  const bool quantized = is_quantized(spec.types.keys) || is_quantized(spec.types.values);
  if (quantized && spec.head_dim % exl3::kKvGroup != 0) {
    throw UserError(
        "a cache of type {} needs heads of a multiple of {} channels and the model's have {}; use "
        "fp16 or fp32",
        kv_types_name(spec.types), exl3::kKvGroup, spec.head_dim
    );
  }
  return static_cast<size_t>(spec.num_layers) * static_cast<size_t>(spec.num_kv_heads) *
         (kv_row_bytes(spec.types.keys, spec.head_dim) +
          kv_row_bytes(spec.types.values, spec.head_dim));
}

}  // namespace trellis
