#include "base/json.h"

#include "base/error.h"
#include "base/mapped_file.h"

#include <algorithm>
#include <cmath>

namespace trellis {
namespace {

constexpr int kMaxDepth = 256;

// The parser recurses once per level when a document is destroyed, so depth is bounded before
// parsing.
bool nests_too_deeply(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

}  // namespace

Json parse_json(std::string_view text, const std::string& origin) {
  if (nests_too_deeply(text)) {
    throw UserError("{}: not valid JSON: nested deeper than {} levels", origin, kMaxDepth);
  }
  // The parser takes a zero byte for the end of the document and would overlook what follows.
  if (text.find('\0') != std::string_view::npos) {
    throw UserError("{}: not valid JSON: it contains a zero byte", origin);
  }
  try {
    return Json::parse(text.begin(), text.end());
  } catch (const Json::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 3, column 7: ..." says more than
    // needed.
    std::string_view what = error.what();
    if (what.starts_with('[')) what.remove_prefix(std::min(what.find(' ') + 1, what.size()));
    throw UserError("{}: not valid JSON: {}", origin, what);
  }
}

Json read_json_file(const std::filesystem::path& path) {
  const MappedFile file(path);
  if (file.bytes().size() > kMaxJsonBytes) {
    throw UserError(
        "{}: {} bytes are too large for a JSON file (limit {})", path.string(), file.bytes().size(),
        kMaxJsonBytes
    );
  }
  const auto* text = reinterpret_cast<const char*>(file.bytes().data());
  return parse_json({text, file.bytes().size()}, path.string());
}

JsonObject::JsonObject(const Json& value, std::string origin, std::string path)
    : value_(&value), origin_(std::move(origin)), path_(std::move(path)) {
  if (!value.is_object()) {
    throw UserError(
        "{}: {} must be an object, found {}", origin_, path_.empty() ? "the document" : path_,
        value.type_name()
    );
  }
}

const Json* JsonObject::find(std::string_view key) const {
  const auto it = value_->find(key);
  return it == value_->end() || it->is_null() ? nullptr : &*it;
}

std::string JsonObject::where(std::string_view key) const {
  return path_.empty() ? fmt::format("{}: {}", origin_, key)
                       : fmt::format("{}: {}.{}", origin_, path_, key);
}

int64_t JsonObject::required_int(std::string_view key, int64_t minimum, int64_t maximum) const {
  const auto value = optional_int(key, minimum, maximum);
  if (!value) throw UserError("{} is missing", where(key));
  return *value;
}

std::optional<int64_t> JsonObject::optional_int(
    std::string_view key, int64_t minimum, int64_t maximum
) const {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number_integer()) {
    throw UserError("{} must be an integer, found {}", where(key), value->dump().substr(0, 60));
  }
  const bool huge = value->is_number_unsigned() && value->get<uint64_t>() > INT64_MAX;
  if (huge || value->get<int64_t>() < minimum || value->get<int64_t>() > maximum) {
    throw UserError(
        "{} must be between {} and {}, found {}", where(key), minimum, maximum, value->dump()
    );
  }
  return value->get<int64_t>();
}

std::optional<double> JsonObject::optional_number(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number() || !std::isfinite(value->get<double>())) {
    throw UserError("{} must be a number, found {}", where(key), value->dump().substr(0, 60));
  }
  return value->get<double>();
}

std::optional<bool> JsonObject::optional_bool(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) {
    throw UserError("{} must be true or false, found {}", where(key), value->dump().substr(0, 60));
  }
  return value->get<bool>();
}

std::optional<std::string> JsonObject::optional_string(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) {
    throw UserError("{} must be a string, found {}", where(key), value->dump().substr(0, 60));
  }
  return value->get<std::string>();
}

std::optional<JsonObject> JsonObject::optional_object(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  const std::string path = path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
  return JsonObject(*value, origin_, path);
}

}  // namespace trellis
