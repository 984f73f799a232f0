// How a number of the cache is stored: fp16, fp32, or 2 to 8 bits by the arithmetic of
// exl3/kv_quant.h. Keys and values each have a type. The one home of the names that options use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace trellis {

/// Named by its bits per number.
enum class KvType : uint8_t {
  kQ2 = 2,
  kQ3 = 3,
  kQ4 = 4,
  kQ5 = 5,
  kQ6 = 6,
  kQ7 = 7,
  kQ8 = 8,
  kFloat16 = 16,
  kFloat32 = 32,
};

/// Bits per number, without the scale of a quantized group.
constexpr int kv_bits(KvType type) {
  return static_cast<int>(type);
}
constexpr bool is_quantized(KvType type) {
  return kv_bits(type) <= 8;
}
/// Bytes of one position of one head. head_dim: a multiple of exl3::kKvGroup if quantized.
size_t kv_row_bytes(KvType type, int64_t head_dim);

struct KvTypes {
  KvType keys = KvType::kFloat16;
  KvType values = KvType::kFloat16;

  bool operator==(const KvTypes&) const = default;
};

/// The same type for keys and values.
constexpr KvTypes same_kv_types(KvType type) {
  return {type, type};
}

/// "fp16", "fp32", "q2" to "q8".
std::string kv_type_name(KvType type);
/// "q4", or "q8,q4" where keys and values differ: keys first.
std::string kv_types_name(KvTypes types);
/// Reads kv_types_name() back; "4" is short for "q4". Nothing for any other text.
std::optional<KvTypes> parse_kv_types(std::string_view text);
/// The same, but throws UserError naming the text and what is known.
KvTypes require_kv_types(std::string_view text);
/// What parse_kv_types() reads, for messages: "fp16, fp32, ...".
inline constexpr const char* kKnownKvTypes =
    "fp16, fp32, q2 to q8 (or 2 to 8), or two of them for keys and values, e.g. q8,q4";

}  // namespace trellis
