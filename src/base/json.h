// JSON documents read with the place of every mistake: errors name the file and the key path.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace trellis {

using Json = nlohmann::json;

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
