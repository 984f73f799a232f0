#include "server/api/text_requests.h"

namespace trellis::server {
namespace {

constexpr size_t kMostTextCharacters = 64u << 20;

Fields<TemplateInput> template_fields() {
  using T = TemplateInput;
  return fields_within(&T::prompt, chat_prompt_fields()) +
         fields_within(&T::toolbox, tool_fields(ToolShape::kInFunction)) +
         fields_within(&T::reasoning, reasoning_fields());
}

Fields<TokenizeRequest> make_tokenize_fields() {
  using T = TokenizeRequest;
  Fields<T> fields = fields_within(&T::chat, template_fields());
  for (Field<T>& field : fields) field.is_required = false;
  fields.push_back(model_field<T>());
  fields =
      fields + with_aliases(string_field("prompt", &T::prompt, kMostTextCharacters), {"content"});
  fields.push_back(bool_field("add_special_tokens", &T::add_special_tokens));
  fields.push_back(bool_field("return_token_strs", &T::return_token_strs));
  return fields;
}

}  // namespace

const Fields<TokenizeRequest>& tokenize_request_fields() {
  static const Fields<TokenizeRequest> fields = make_tokenize_fields();
  return fields;
}

const Fields<DetokenizeRequest>& detokenize_request_fields() {
  using T = DetokenizeRequest;
  static const Fields<T> fields = {
      model_field<T>(),
      required(ids_field("tokens", &T::tokens)),
      bool_field("skip_special_tokens", &T::skip_special_tokens),
  };
  return fields;
}

const Fields<ApplyTemplateRequest>& apply_template_request_fields() {
  using T = ApplyTemplateRequest;
  static const Fields<T> fields =
      Fields<T>{model_field<T>()} + fields_within(&T::chat, template_fields());
  return fields;
}

}  // namespace trellis::server
