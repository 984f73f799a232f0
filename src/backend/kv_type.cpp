#include "backend/kv_type.h"

#include "base/error.h"
#include "exl3/kv_quant.h"

#include <fmt/format.h>

namespace trellis {
namespace {

std::optional<KvType> parse_kv_type(std::string_view text) {
  if (text == "fp16") return KvType::kFloat16;
  if (text == "fp32") return KvType::kFloat32;
  if (text.starts_with('q')) text.remove_prefix(1);
  if (text.size() != 1) return std::nullopt;
  const int bits = text.front() - '0';
  if (bits < exl3::kMinKvBits || bits > exl3::kMaxKvBits) return std::nullopt;
  return static_cast<KvType>(bits);
}

}  // namespace

size_t kv_row_bytes(KvType type, int64_t head_dim) {
  const auto numbers = static_cast<size_t>(head_dim);
  const size_t bytes = numbers * static_cast<size_t>(kv_bits(type)) / 8;
  return is_quantized(type) ? bytes + numbers / exl3::kKvGroup * sizeof(uint16_t) : bytes;
}

std::string kv_type_name(KvType type) {
  return fmt::format("{}{}", is_quantized(type) ? "q" : "fp", kv_bits(type));
}

std::string kv_types_name(KvTypes types) {
  const std::string keys = kv_type_name(types.keys);
  return types.keys == types.values ? keys : keys + "," + kv_type_name(types.values);
}

std::optional<KvTypes> parse_kv_types(std::string_view text) {
  const size_t comma = text.find(',');
  const auto keys = parse_kv_type(text.substr(0, comma));
  const auto values =
      comma == std::string_view::npos ? keys : parse_kv_type(text.substr(comma + 1));
  if (!keys || !values) return std::nullopt;
  return KvTypes{*keys, *values};
}

KvTypes require_kv_types(std::string_view text) {
  if (const auto types = parse_kv_types(text)) return *types;
  throw UserError("the type of the cache is \"{}\"; known are {}", text, kKnownKvTypes);
}

}  // namespace trellis
