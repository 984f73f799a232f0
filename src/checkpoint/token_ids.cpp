#include "checkpoint/token_ids.h"

#include "base/error.h"

namespace trellis {
namespace {

int32_t read_one(const JsonObject& object, const char* key, const Json& value) {
  // A negative number becomes a huge one here.
  const bool fits = value.is_number_integer() && value.get<uint64_t>() <= INT32_MAX;
  if (!fits) {
    throw UserError(
        "{} must be a token id or a list of token ids, found {}", object.where(key),
        value.dump().substr(0, 60)
    );
  }
  return value.get<int32_t>();
}

}  // namespace

std::vector<int32_t> read_token_ids(const JsonObject& object, const char* key) {
  const Json* value = object.find(key);
  if (value == nullptr) return {};
  if (!value->is_array()) return {read_one(object, key, *value)};
  std::vector<int32_t> ids;
  ids.reserve(value->size());
  for (const Json& item : *value) ids.push_back(read_one(object, key, item));
  return ids;
}

std::optional<int32_t> read_token_id(const JsonObject& object, const char* key) {
  const std::vector<int32_t> ids = read_token_ids(object, key);
  if (ids.empty()) return std::nullopt;
  return ids.front();
}

}  // namespace trellis
