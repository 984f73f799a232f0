// The fields of a request as a table: each has a name, a JSON schema and a place in a struct.
// Reading, validation and openapi.json all come from it.
#pragma once

#include "server/api/value.h"

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace trellis::server {

/// One field of requests that are read into a T.
template <typename T>
struct Field {
  /// Puts a value that is not null into the struct, or says what is wrong with it.
  using Read =
      std::function<std::optional<ApiError>(const Json& value, const std::string& path, T& target)>;

  std::string name;
  Json schema;  // of its values; null is allowed besides and means that the field is absent
  Read read;
  bool is_required = false;
};

template <typename T>
using Fields = std::vector<Field<T>>;

/// Reads an object. Members that no field names are ignored; of several fields for one thing the
/// last one in the table wins. `path`: of the object; empty for the body itself.
template <typename T>
std::optional<ApiError> read_fields(
    const Json& object, const std::string& path, const Fields<T>& fields, T& target
) {
  if (!object.is_object()) {
    return wrong_type(path.empty() ? "the request body" : path, "an object", object);
  }
  for (const Field<T>& field : fields) {
    const auto value = object.find(field.name);
    const std::string where = join_path(path, field.name);
    if (value == object.end() || value->is_null()) {
      if (field.is_required) return missing(where);
    } else if (auto error = field.read(*value, where, target)) {
      return error;
    }
  }
  return std::nullopt;
}

/// The JSON schema of an object with these fields.
template <typename T>
Json object_schema(const Fields<T>& fields) {
  Json schema = {{"type", "object"}, {"properties", Json::object()}};
  for (const Field<T>& field : fields) {
    if (field.is_required) {
      schema["properties"][field.name] = field.schema;
      schema["required"].push_back(field.name);
    } else {
      schema["properties"][field.name] = {{"anyOf", {field.schema, {{"type", "null"}}}}};
    }
  }
  return schema;
}

/// The JSON schema of what read_ids() takes.
inline Json ids_schema() {
  return {
      {"type", "array"}, {"items", {{"type", "integer"}, {"minimum", 0}, {"maximum", INT32_MAX}}}
  };
}

/// Reads a value with `read`, which gives a Result, and puts it into a member.
template <typename T, typename M, typename ReadValue>
Field<T> value_field(std::string name, M T::* member, Json schema, ReadValue read) {
  return {
      std::move(name), std::move(schema),
      [member,
       read](const Json& value, const std::string& path, T& target) -> std::optional<ApiError> {
        auto result = read(value, path);
        if (!result.ok()) return result.error();
        using Value = std::remove_cvref_t<decltype(result.value())>;
        if constexpr (std::is_arithmetic_v<M> && std::is_arithmetic_v<Value>) {
          target.*member = static_cast<M>(result.value());
        } else {
          target.*member = std::move(result).value();
        }
        return std::nullopt;
      }
  };
}

template <typename T, typename M>
Field<T> number_field(std::string name, M T::* member, const NumberRange& range, Json schema = {}) {
  schema["type"] = "number";
  schema[range.above_minimum ? "exclusiveMinimum" : "minimum"] = range.minimum;
  schema["maximum"] = range.maximum;
  return value_field<T>(
      std::move(name), member, std::move(schema),
      [range](const Json& value, const std::string& path) -> Result<float> {
        const Result<double> number = read_number(value, path, range);
        if (!number.ok()) return number.error();
        return static_cast<float>(number.value());
      }
  );
}

template <typename T, typename M>
Field<T> integer_field(
    std::string name, M T::* member, int64_t minimum, int64_t maximum, Json schema = {}
) {
  schema["type"] = "integer";
  schema["minimum"] = minimum;
  schema["maximum"] = maximum;
  return value_field<T>(
      std::move(name), member, std::move(schema),
      [=](const Json& value, const std::string& path) {
        return read_integer(value, path, minimum, maximum);
      }
  );
}

/// Zero, a count, or -1, which some clients send for zero.
template <typename T>
Field<T> count_field(std::string name, int T::* member, Json schema = {}) {
  schema["type"] = "integer";
  schema["minimum"] = -1;
  schema["maximum"] = INT32_MAX;
  return value_field<T>(
      std::move(name), member, std::move(schema),
      [](const Json& value, const std::string& path) -> Result<int64_t> {
        const Result<int64_t> count = read_integer(value, path, -1, INT32_MAX);
        if (!count.ok()) return count.error();
        return std::max<int64_t>(count.value(), 0);
      }
  );
}

template <typename T, typename M>
Field<T> bool_field(std::string name, M T::* member, Json schema = {}) {
  schema["type"] = "boolean";
  return value_field<T>(std::move(name), member, std::move(schema), read_bool);
}

template <typename T, typename M>
Field<T> string_field(std::string name, M T::* member, size_t most_characters, Json schema = {}) {
  schema["type"] = "string";
  schema["maxLength"] = most_characters;
  return value_field<T>(
      std::move(name), member, std::move(schema),
      [most_characters](const Json& value, const std::string& path) {
        return read_string(value, path, most_characters);
      }
  );
}

/// An array of token ids.
template <typename T>
Field<T> ids_field(std::string name, std::vector<int32_t> T::* member) {
  return value_field<T>(std::move(name), member, ids_schema(), read_ids);
}

/// A field that is known, but of which only values that change nothing are taken. `why` ends the
/// sentence of the error.
template <typename T>
Field<T> neutral_field(std::string name, std::vector<Json> neutral_values, std::string why) {
  Json schema = {{"enum", Json(neutral_values)}, {"description", "Not supported: " + why}};
  schema["enum"].push_back(nullptr);
  return {
      std::move(name), std::move(schema),
      [neutral_values = std::move(neutral_values),
       why = std::move(why
       )](const Json& value, const std::string& path, T&) -> std::optional<ApiError> {
        for (const Json& neutral : neutral_values) {
          if (value == neutral) return std::nullopt;
        }
        return unsupported(path, fmt::format("{} is not supported: {}", path, why));
      }
  };
}

/// The field, and before it, so that its own name wins, the same one by other names.
template <typename T>
Fields<T> with_aliases(const Field<T>& field, std::initializer_list<const char*> aliases) {
  Fields<T> fields;
  for (const char* alias : aliases) {
    fields.push_back(field);
    fields.back().name = alias;
    fields.back().schema["description"] = fmt::format("Another name of {}.", field.name);
  }
  fields.push_back(field);
  return fields;
}

template <typename T>
Field<T> required(Field<T> field) {
  field.is_required = true;
  return field;
}

/// The fields of a member, as fields of the whole.
template <typename T, typename U>
Fields<T> fields_within(U T::* member, const Fields<U>& fields) {
  Fields<T> result;
  for (const Field<U>& field : fields) {
    result.push_back(
        {field.name, field.schema,
         [member, read = field.read](const Json& value, const std::string& path, T& target) {
           return read(value, path, target.*member);
         },
         field.is_required}
    );
  }
  return result;
}

template <typename T>
Fields<T> operator+(Fields<T> left, const Fields<T>& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

}  // namespace trellis::server
