// Wrong requests: each field with values of every wrong type and outside its range, by the tables
// themselves, and bodies that are no JSON at all.
#include "sampling/validate.h"
#include "server/api/chat_request.h"
#include "server/api/completion_request.h"
#include "server/api/embedding_request.h"
#include "server/api/messages_request.h"
#include "server/api/model_request_fields.h"
#include "server/api/responses_request.h"
#include "server/api/text_requests.h"
#include "server/api_harness.h"

#include <algorithm>
#include <cmath>

namespace trellis::server {
namespace {

struct Endpoint {
  const char* path;
  Json schema;
  Json valid;  // a body that is taken
};

std::vector<Endpoint> endpoints() {
  const Json messages = Json::parse(R"([{"role": "user", "content": "hi"}])");
  return {
      {"/v1/chat/completions",
       object_schema(chat_request_fields()),
       {{"messages", messages}, {"max_tokens", 1}}},
      {"/v1/completions",
       object_schema(completion_request_fields()),
       {{"prompt", "hi"}, {"max_tokens", 1}}},
      {"/v1/messages",
       object_schema(messages_request_fields()),
       {{"messages", messages}, {"max_tokens", 1}}},
      {"/v1/messages/count_tokens",
       object_schema(count_tokens_request_fields()),
       {{"messages", messages}}},
      {"/v1/responses",
       object_schema(responses_request_fields()),
       {{"input", "hi"}, {"max_output_tokens", 1}}},
      {"/v1/embeddings", object_schema(embedding_request_fields()), {{"input", "hi"}}},
      {"/tokenize", object_schema(tokenize_request_fields()), {{"prompt", "hi"}}},
      {"/detokenize", object_schema(detokenize_request_fields()), {{"tokens", Json::array({7})}}},
      {"/apply-template", object_schema(apply_template_request_fields()), {{"messages", messages}}},
      {"/v1/model/load",
       object_schema(load_model_request_fields()),
       {{"model", "tiny"}, {"stream", false}}},
  };
}

/// Whether the schema, of those that the tables use, takes the value.
bool takes(const Json& schema, const Json& value) {
  if (schema.contains("anyOf")) {
    const Json& any = schema["anyOf"];
    return std::any_of(any.begin(), any.end(), [&](const Json& s) { return takes(s, value); });
  }
  if (schema.contains("enum")) {
    const Json& values = schema["enum"];
    return std::find(values.begin(), values.end(), value) != values.end();
  }
  const Json types = schema["type"].is_array() ? schema["type"] : Json::array({schema["type"]});
  const auto is = [&](const std::string& type) {
    if (type == "null") return value.is_null();
    if (type == "boolean") return value.is_boolean();
    if (type == "string") return value.is_string();
    if (type == "array") return value.is_array();
    if (type == "object") return value.is_object();
    if (type == "integer") {
      return value.is_number_integer() ||
             (value.is_number_float() && value == std::floor(value.get<double>()));
    }
    return value.is_number();
  };
  if (std::none_of(types.begin(), types.end(), [&](const Json& type) {
        return is(type.get<std::string>());
      })) {
    return false;
  }
  if (value.is_number()) {
    const auto number = value.get<double>();
    if (schema.contains("minimum") && number < schema["minimum"].get<double>()) return false;
    if (schema.contains("maximum") && number > schema["maximum"].get<double>()) return false;
    return !schema.contains("exclusiveMinimum") ||
           number > schema["exclusiveMinimum"].get<double>();
  }
  if (value.is_string()) {
    return value.get_ref<const std::string&>().size() <= schema.value("maxLength", size_t{1} << 30);
  }
  if (value.is_array()) {
    if (value.size() > schema.value("maxItems", size_t{1} << 30)) return false;
    if (value.size() < schema.value("minItems", size_t{0})) return false;
    return !schema.contains("items") ||
           std::all_of(value.begin(), value.end(), [&](const Json& item) {
             return takes(schema["items"], item);
           });
  }
  if (value.is_object()) {
    for (const Json& name : schema.value("required", Json::array())) {
      if (!value.contains(name.get<std::string>())) return false;
    }
    if (schema.contains("propertyNames") && !value.empty()) return false;  // "a", below
  }
  return true;
}

class ValidationTest : public ApiTest {};

TEST_F(ValidationTest, AnyValueThatAFieldsSchemaForbidsIs400WithItsName) {
  const std::vector<Json> values = {
      true,
      0,
      -1,
      -2,
      1,
      0.5,
      1e9,
      -1e9,
      1e300,
      -1e300,
      9223372036854775807,
      "",
      "text",
      std::string(2000, 'x'),
      Json::array(),
      Json::array({"a"}),
      Json::array({-1}),
      Json::array({Json::array()}),
      Json::array({nullptr}),
      Json::object(),
      {{"a", 1}}
  };
  int num_refused = 0;
  for (const Endpoint& endpoint : endpoints()) {
    ASSERT_EQ(server_->post(endpoint.path, endpoint.valid).status, 200);
    for (const auto& [name, schema] : endpoint.schema["properties"].items()) {
      for (const Json& value : values) {
        if (takes(schema, value)) continue;
        Json body = endpoint.valid;
        body[name] = value;
        const Answer answer = server_->post(endpoint.path, body);
        ASSERT_EQ(answer.status, 400) << name << ": " << value << ": " << answer.body;
        const Json error = answer.json()["error"];
        const std::string param = error["param"];
        // Within arrays and objects the path goes on behind the field's name.
        const bool is_named =
            param == name || param.starts_with(name + "[") || param.starts_with(name + ".");
        EXPECT_TRUE(is_named) << name << ": " << value << ": " << answer.body;
        EXPECT_FALSE(error["message"].get<std::string>().empty());
        ++num_refused;
      }
    }
  }
  EXPECT_GT(num_refused, 3000);
}

TEST_F(ValidationTest, NullCountsAsAbsent) {
  for (const Endpoint& endpoint : endpoints()) {
    Json body = endpoint.valid;
    for (const auto& [name, schema] : endpoint.schema["properties"].items()) {
      if (!body.contains(name)) body[name] = nullptr;
    }
    const Answer answer = server_->post(endpoint.path, body);
    EXPECT_EQ(answer.status, 200) << endpoint.path << ": " << answer.body;
  }
}

TEST_F(ValidationTest, RequiredFieldsAreMissed) {
  for (const Endpoint& endpoint : endpoints()) {
    for (const Json& name : endpoint.schema.value("required", Json::array())) {
      Json body = endpoint.valid;
      body.erase(name.get<std::string>());
      expect_error(
          server_->post(endpoint.path, body), 400, "missing_required_parameter", name, "missing"
      );
    }
  }
}

TEST_F(ValidationTest, TheRangesOfSamplingFieldsAreThoseOfTheEngine) {
  const Json properties = object_schema(sampling_fields())["properties"];
  int num_bounds = 0;
  for (const auto& field : sampling_fields()) {
    const Json& schema = field.schema;
    if (schema.value("type", "") != "number") continue;
    const auto engine_takes = [&](double value) {
      SamplingFields fields;
      const auto error = field.read(value, field.name, fields);
      EXPECT_FALSE(error) << field.name << ": " << value;
      return !validate(combine(fields), 1000);
    };
    EXPECT_TRUE(engine_takes(schema["maximum"].get<double>())) << field.name;
    if (schema.contains("minimum")) {
      EXPECT_TRUE(engine_takes(schema["minimum"].get<double>())) << field.name;
    } else {
      EXPECT_TRUE(engine_takes(schema["exclusiveMinimum"].get<double>() + 1e-3)) << field.name;
    }
    ++num_bounds;
  }
  EXPECT_GT(num_bounds, 15);
}

TEST_F(ValidationTest, MalformedJsonIs400) {
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  const std::string deep_field = R"({"messages": )" + deep + "}";
  for (const std::string& body :
       {std::string(), std::string("{"), std::string("nonsense"), std::string("{\"a\": 1e999}"),
        std::string("{\"prompt\": \"\xFF\xFE\"}"), std::string("{\"prompt\": \"\\ud800\"}"),
        std::string("{\"prompt\": \"a\"} {}"), std::string("{}\0{}", 5), deep, deep_field}) {
    for (const Endpoint& endpoint : endpoints()) {
      const Answer answer = server_->post_text(endpoint.path, body);
      expect_error(answer, 400, "invalid_json", "", "not valid JSON");
    }
  }
}

TEST_F(ValidationTest, ABodyThatIsNoObjectIs400) {
  for (const char* body : {"[]", "1", "\"text\"", "null", "true"}) {
    for (const Endpoint& endpoint : endpoints()) {
      expect_error(
          server_->post_text(endpoint.path, body), 400, "invalid_type", "the request body"
      );
    }
  }
}

TEST_F(ValidationTest, WrongMessagesAre400WithTheirPath) {
  const auto refuse = [&](const char* messages, const char* code, const char* param) {
    const Json body = {{"messages", Json::parse(messages)}};
    expect_error(server_->post("/v1/chat/completions", body), 400, code, param);
  };
  refuse(R"([])", "invalid_value", "messages");
  refuse(R"([1])", "invalid_type", "messages[0]");
  refuse(R"([{}])", "missing_required_parameter", "messages[0].role");
  refuse(R"([{"role": "robot", "content": "a"}])", "invalid_value", "messages[0].role");
  refuse(R"([{"role": 1, "content": "a"}])", "invalid_type", "messages[0].role");
  refuse(R"([{"role": "user"}])", "missing_required_parameter", "messages[0].content");
  refuse(
      R"([{"role": "user", "content": "a"}, {"role": "user", "content": 1}])", "invalid_type",
      "messages[1].content"
  );
  refuse(
      R"([{"role": "user", "content": [{"type": "text"}]}])", "missing_required_parameter",
      "messages[0].content[0].text"
  );
  refuse(
      R"([{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "["}}]}])",
      "invalid_value", "messages[0].tool_calls[0].function.arguments"
  );
  refuse(
      R"([{"role": "assistant", "tool_calls": [{"id": "a"}]}])", "missing_required_parameter",
      "messages[0].tool_calls[0].function"
  );
}

TEST_F(ValidationTest, WrongCombinationsAre400) {
  const Json valid = endpoints()[0].valid;
  const auto refuse = [&](Json more, const char* code, const char* param) {
    Json body = valid;
    body.update(more);
    expect_error(server_->post("/v1/chat/completions", body), 400, code, param);
  };
  refuse({{"top_logprobs", 2}}, "invalid_value", "top_logprobs");
  refuse({{"logit_bias", {{"1e3", 1}}}}, "invalid_value", "logit_bias");
  refuse({{"logit_bias", {{"999999", 1}}}}, "invalid_parameter", "logit_bias");
  refuse({{"logit_bias", {{"3", 101}}}}, "invalid_value", "logit_bias");
  refuse({{"banned_tokens", {999999}}}, "invalid_parameter", "banned_tokens");
  refuse({{"sampler_order", {"top_k", "top_k"}}}, "invalid_parameter", "sampler_order");
  refuse({{"chat_template_kwargs", {{"messages", 1}}}}, "invalid_value", "chat_template_kwargs");
}

TEST_F(ValidationTest, LengthsAreCountedInCharacters) {
  Json body = endpoints()[0].valid;
  std::string text;
  for (int i = 0; i < 1024; ++i) text += "\u00e4";
  body["stop"] = text;
  EXPECT_EQ(server_->post("/v1/chat/completions", body).status, 200);
  body["stop"] = text + "x";
  expect_error(
      server_->post("/v1/chat/completions", body), 400, "invalid_value", "stop", "1025 characters"
  );
}

TEST_F(ValidationTest, ErrorsNeverHoldHalfACharacter) {
  std::string text = "x";
  for (int i = 0; i < 100; ++i) text += "\u00e4";
  const Answer answer =
      server_->post("/v1/chat/completions", {{"messages", text}, {"temperature", text}});
  EXPECT_EQ(answer.status, 400);
  EXPECT_NO_THROW(Json::parse(answer.body));
  EXPECT_EQ(answer.body.find("\uFFFD"), std::string::npos) << answer.body;
}

}  // namespace
}  // namespace trellis::server
