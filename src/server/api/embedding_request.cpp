#include "server/api/embedding_request.h"

namespace trellis::server {
namespace {

using E = EmbeddingRequest;

constexpr size_t kMostWordCharacters = 64;

/// A field with one of two words.
template <typename Take>
Field<E> word_field(const char* name, const char* first, const char* second, Take take) {
  return {
      name,
      {{"enum", {first, second}}},
      [=](const Json& value, const std::string& path, E& target) -> std::optional<ApiError> {
        const auto word = read_string(value, path, kMostWordCharacters);
        if (!word.ok()) return word.error();
        if (word.value() != first && word.value() != second) {
          return invalid_value(
              path,
              fmt::format("{} may be {} or {}, found \"{}\"", path, first, second, word.value())
          );
        }
        take(target, word.value() == first);
        return std::nullopt;
      }
  };
}

Fields<E> make_fields() {
  const Fields<Request> r = {salt_field(), priority_field()};
  return Fields<E>{
             model_field<E>(),
             required(value_field(
                 "input", &E::inputs, text_inputs_schema(kMostEmbeddings),
                 [](const Json& value, const std::string& path) {
                   return read_text_inputs(value, path, kMostEmbeddings, "input");
                 }
             )),
             word_field(
                 "encoding_format", "base64", "float",
                 [](E& target, bool is_first) { target.as_base64 = is_first; }
             ),
             integer_field("dimensions", &E::dimensions, 1, INT32_MAX),
             word_field(
                 "pooling", "mean", "last",
                 [](E& target, bool is_first) {
                   target.pooling = is_first ? Pooling::kMean : Pooling::kLast;
                 }
             ),
             bool_field("add_special_tokens", &E::add_special_tokens)
         } +
         fields_within(&E::request, r);
}

}  // namespace

const Fields<EmbeddingRequest>& embedding_request_fields() {
  static const Fields<E> fields = make_fields();
  return fields;
}

Result<EmbeddingRequest> read_embedding_request(const Json& body) {
  E request;
  if (auto error = read_fields(body, "", embedding_request_fields(), request)) return *error;
  return request;
}

}  // namespace trellis::server
