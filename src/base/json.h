// JSON documents read with the place of every mistake: errors name the file and the key path.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Instantiated once, in json_templates.cpp: compiled again by every file that reads JSON they took
// a third of its time.
namespace trellis::json_input {
using Pointer = nlohmann::detail::iterator_input_adapter<const char*>;
using Characters = nlohmann::detail::iterator_input_adapter<std::string::const_iterator>;
}  // namespace trellis::json_input
extern template class nlohmann::basic_json<>;
extern template class nlohmann::basic_json<nlohmann::ordered_map>;
extern template class nlohmann::detail::serializer<nlohmann::json>;
extern template class nlohmann::detail::serializer<nlohmann::ordered_json>;
extern template class nlohmann::detail::parser<nlohmann::json, trellis::json_input::Pointer>;
extern template class nlohmann::detail::parser<nlohmann::json, trellis::json_input::Characters>;
extern template class nlohmann::detail::parser<
    nlohmann::ordered_json, trellis::json_input::Pointer>;
extern template class nlohmann::detail::parser<
    nlohmann::ordered_json, trellis::json_input::Characters>;

namespace trellis {

/// Keys sorted.
using Json = nlohmann::json;
/// Keys in the order in which they were written, which templates print and files keep. A Json
/// converts to it, its keys then sorted.
using OrderedJson = nlohmann::ordered_json;

/// Largest JSON file that is read, in bytes: far above any tokenizer, far below what exhausts
/// memory.
inline constexpr size_t kMaxJsonBytes = 256u << 20;

/// Parses text. Throws UserError "<origin>: not valid JSON: <where>". Nesting deeper than 256
/// levels is refused.
Json parse_json(std::string_view text, const std::string& origin);

/// Reads and parses a file. Throws UserError naming the file.
Json read_json_file(const std::filesystem::path& path);

/// One object inside a document, with the path that led to it, e.g. "config.json: rope_scaling".
/// Borrowed. Getters throw UserError naming file and key path when a value is missing (required_*)
/// or of the wrong type; null counts as missing.
class JsonObject {
 public:
  /// Throws UserError if value is not an object.
  JsonObject(const Json& value, std::string origin, std::string path = "");

  bool has(std::string_view key) const { return find(key) != nullptr; }
  /// The member or null; JSON null counts as absent.
  const Json* find(std::string_view key) const;

  int64_t required_int(std::string_view key, int64_t minimum, int64_t maximum) const;
  std::optional<int64_t> optional_int(std::string_view key, int64_t minimum, int64_t maximum) const;
  std::optional<double> optional_number(std::string_view key) const;
  std::optional<bool> optional_bool(std::string_view key) const;
  std::optional<std::string> optional_string(std::string_view key) const;
  std::optional<JsonObject> optional_object(std::string_view key) const;

  /// "file: a.b.key"
  std::string where(std::string_view key) const;
  const Json& value() const { return *value_; }
  const std::string& origin() const { return origin_; }

 private:
  const Json* value_;
  std::string origin_;
  std::string path_;
};

}  // namespace trellis
