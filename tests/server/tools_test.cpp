// Tools and reasoning: calls that a real, tiny model is held to, and answers from a script, whose
// every piece must reach the client whatever the API and wherever the text is cut.
#include "base/temporary_directory.h"
#include "engine/json_schema_check.h"
#include "server/api_harness.h"
#include "server/scripted_engine.h"

#include <gmock/gmock.h>

#include <fstream>

namespace trellis::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kResponses = "/v1/responses";
constexpr const char* kMessages = "/v1/messages";

/// Bounded, so that they close within a few hundred tokens.
const Json kWeatherSchema = Json::parse(R"({"type": "object", "required": ["place", "days"],
  "properties": {"place": {"type": "string", "maxLength": 12},
    "days": {"type": "integer", "minimum": 1, "maximum": 9},
    "units": {"enum": ["metric", "imperial"]},
    "hours": {"type": "array", "maxItems": 3, "items": {"type": "integer", "minimum": 0,
                                                        "maximum": 23}}}})");
const Json kOrderSchema = Json::parse(R"({"type": "object", "required": ["item"], "properties": {
  "item": {"type": "object", "additionalProperties": false, "required": ["kind"],
           "properties": {"kind": {"enum": ["a\"b", "c\\d"]}, "gift": {"type": "boolean"}}}}})");

Json schema_of(const std::string& name) {
  return name == "get_weather" ? kWeatherSchema : kOrderSchema;
}

Json chat_tools() {
  Json tools = Json::array();
  for (const char* name : {"get_weather", "order"}) {
    tools.push_back(
        {{"type", "function"}, {"function", {{"name", name}, {"parameters", schema_of(name)}}}}
    );
  }
  return tools;
}

Json flat_tools() {
  Json tools = Json::array();
  for (const Json& tool : chat_tools()) {
    tools.push_back(tool["function"]);
    tools.back()["type"] = "function";
  }
  return tools;
}

Json anthropic_tools() {
  Json tools = Json::array();
  for (const Json& tool : chat_tools()) {
    tools.push_back(
        {{"name", tool["function"]["name"]}, {"input_schema", tool["function"]["parameters"]}}
    );
  }
  return tools;
}

Json user_message() {
  return Json::array({{{"role", "user"}, {"content", "Weather in Paris?"}}});
}

Json chat_body(const Json& choice, int seed) {
  return {{"messages", user_message()}, {"tools", chat_tools()}, {"tool_choice", choice},
          {"temperature", 1.5},         {"max_tokens", 600},     {"seed", seed}};
}

/// Arguments as text must satisfy the schema of the function, and name nothing that it does not.
void expect_valid(const std::string& name, const std::string& arguments) {
  const Json value = Json::parse(arguments);
  EXPECT_EQ(schema_violation(schema_of(name), value), "") << name << arguments;
  for (const auto& [key, unused] : value.items()) {
    EXPECT_TRUE(schema_of(name)["properties"].contains(key)) << name << arguments;
  }
}

/// A model whose context has room for tools and calls of them.
class ToolsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    EngineOptions options = tiny_options();
    options.model_directory = TRELLIS_SOURCE_DIR "/models/demo-25m-exl3-4.0bpw";
    server_ = new TestServer(options);
  }
  static void TearDownTestSuite() {
    delete server_;
    server_ = nullptr;
  }

  inline static TestServer* server_ = nullptr;
};

TEST_F(ToolsTest, RequiredCallsAlwaysSatisfyTheirSchemas) {
  for (int seed = 0; seed < 12; ++seed) {
    const Answer answer = server_->post(kChat, chat_body("required", seed));

    ASSERT_EQ(answer.status, 200) << answer.body;
    const Json choice = answer.json()["choices"][0];
    EXPECT_EQ(choice["finish_reason"], "tool_calls") << answer.body;
    EXPECT_TRUE(choice["message"]["content"].is_null()) << answer.body;
    ASSERT_FALSE(choice["message"]["tool_calls"].empty()) << answer.body;
    for (const Json& call : choice["message"]["tool_calls"]) {
      EXPECT_EQ(call["type"], "function");
      EXPECT_TRUE(call["id"].get<std::string>().starts_with("call_"));
      expect_valid(call["function"]["name"], call["function"]["arguments"]);
    }
  }
}

TEST_F(ToolsTest, ANamedFunctionIsCalledOnceWhereCallsAreNotParallel) {
  Json body = chat_body({{"type", "function"}, {"function", {{"name", "order"}}}}, 1);
  body["parallel_tool_calls"] = false;
  for (int seed = 0; seed < 4; ++seed) {
    body["seed"] = seed;
    const Json choice = server_->post(kChat, body).json()["choices"][0];
    EXPECT_EQ(choice["finish_reason"], "tool_calls");
    ASSERT_EQ(choice["message"]["tool_calls"].size(), 1U) << choice;
    EXPECT_EQ(choice["message"]["tool_calls"][0]["function"]["name"], "order");
    expect_valid("order", choice["message"]["tool_calls"][0]["function"]["arguments"]);
  }
}

/// The calls of a stream's deltas, as a client puts them together.
Json gathered_calls(const std::vector<Json>& chunks) {
  Json calls = Json::array();
  for (const Json& chunk : chunks) {
    if (chunk["choices"].empty() || !chunk["choices"][0]["delta"].contains("tool_calls")) continue;
    for (const Json& delta : chunk["choices"][0]["delta"]["tool_calls"]) {
      const size_t index = delta["index"];
      if (index == calls.size()) {
        EXPECT_EQ(delta["type"], "function");
        calls.push_back({{"id", delta["id"]}, {"type", "function"}, {"function", delta["function"]}}
        );
        EXPECT_EQ(delta["function"]["arguments"], "");
        continue;
      }
      EXPECT_EQ(index + 1, calls.size());
      EXPECT_FALSE(delta.contains("id"));
      Json& arguments = calls[index]["function"]["arguments"];
      arguments = arguments.get<std::string>() + delta["function"]["arguments"].get<std::string>();
    }
  }
  return calls;
}

TEST_F(ToolsTest, StreamsTheCallsOfTheWholeAnswer) {
  Json body = chat_body("required", 5);
  Json whole = server_->post(kChat, body).json()["choices"][0]["message"]["tool_calls"];
  body["stream"] = true;

  const std::vector<Json> chunks = documents(server_->post(kChat, body));

  Json streamed = gathered_calls(chunks);
  ASSERT_EQ(streamed.size(), whole.size());
  for (size_t i = 0; i < whole.size(); ++i) {
    whole[i].erase("id");
    streamed[i].erase("id");
  }
  EXPECT_EQ(streamed, whole);
  EXPECT_GT(chunks.size(), 6U) << "arguments come in pieces";
  EXPECT_EQ(chunks.back()["choices"][0]["finish_reason"], "tool_calls");
}

TEST_F(ToolsTest, ResponsesAndMessagesCallTheSame) {
  const Json chat = server_->post(kChat, chat_body("required", 3)).json();
  const Json& calls = chat["choices"][0]["message"]["tool_calls"];

  Json body = chat_body("required", 3);
  body["tools"] = flat_tools();
  body["input"] = body["messages"];
  body["max_output_tokens"] = 600;
  const Answer response = server_->post(kResponses, body);
  ASSERT_EQ(response.status, 200) << response.body;
  const Json output = response.json()["output"];
  ASSERT_EQ(output.size(), calls.size()) << response.body;
  for (size_t i = 0; i < calls.size(); ++i) {
    EXPECT_EQ(output[i]["type"], "function_call");
    EXPECT_EQ(output[i]["name"], calls[i]["function"]["name"]);
    EXPECT_EQ(output[i]["arguments"], calls[i]["function"]["arguments"]);
    EXPECT_EQ(output[i]["status"], "completed");
  }
  EXPECT_EQ(response.json()["tool_choice"], "required");

  body = chat_body({{"type", "any"}}, 3);
  body["tools"] = anthropic_tools();
  const Answer message = server_->post(kMessages, body);
  ASSERT_EQ(message.status, 200) << message.body;
  EXPECT_EQ(message.json()["stop_reason"], "tool_use");
  const Json content = message.json()["content"];
  ASSERT_EQ(content.size(), calls.size()) << message.body;
  for (size_t i = 0; i < calls.size(); ++i) {
    EXPECT_EQ(content[i]["type"], "tool_use");
    EXPECT_EQ(content[i]["name"], calls[i]["function"]["name"]);
    EXPECT_EQ(
        content[i]["input"],
        Json::parse(calls[i]["function"]["arguments"].get_ref<const std::string&>())
    );
  }
}

TEST_F(ToolsTest, ArgumentsComeInTheOrderOfTheSchema) {
  const Answer answer =
      server_->post_text(kChat, R"({"messages": [{"role": "user", "content": "x"}],
    "tool_choice": "required", "parallel_tool_calls": false, "tools": [{"type": "function",
    "function": {"name": "f", "parameters": {"type": "object", "required": ["a", "z"],
      "properties": {"z": {"enum": [1]}, "a": {"enum": [2]}}}}}]})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(
      answer.json()["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"],
      R"({"z": 1, "a": 2})"
  );
}

TEST_F(ToolsTest, EarlierCallsStayInAPromptThatNamesNoTools) {
  const Json messages = Json::parse(R"([{"role": "user", "content": "Q"},
    {"role": "assistant", "content": null, "tool_calls": [{"id": "c", "type": "function",
      "function": {"name": "get_weather", "arguments": "{\"place\": \"Paris\"}"}}]},
    {"role": "tool", "tool_call_id": "c", "content": "21 degrees"}])");

  const Json answer = server_->post("/apply-template", {{"messages", messages}}).json();

  EXPECT_EQ(
      answer["prompt"],
      "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n<tool_call>\n"
      "{\"name\": \"get_weather\", \"arguments\": {\"place\": \"Paris\"}}\n</tool_call><|im_end|>\n"
      "<|im_start|>user\n<tool_response>\n21 degrees\n</tool_response><|im_end|>\n"
      "<|im_start|>assistant\n"
  );
}

TEST_F(ToolsTest, RefusesWhatMakesNoSense) {
  const auto refused = [](Json body, const std::string& field, const Json& value) {
    body[field] = value;
    return server_->post(kChat, body);
  };
  Json body = chat_body("auto", 1);
  expect_error(refused(body, "tool_choice", "sometimes"), 400, "invalid_value", "tool_choice");
  expect_error(
      refused(body, "tool_choice", {{"type", "function"}, {"function", {{"name", "absent"}}}}), 400,
      "invalid_value", "tool_choice", "absent"
  );
  expect_error(
      refused(body, "tools", {{{"type", "function"}, {"function", {{"name", "a b"}}}}}), 400,
      "invalid_value", "tools[0].function.name"
  );
  expect_error(
      refused(body, "tools", {{{"type", "function"}}}), 400, "missing_required_parameter",
      "tools[0].function"
  );
  Json twice = chat_tools();
  twice.push_back(twice[0]);
  expect_error(refused(body, "tools", twice), 400, "invalid_value", "tools[2]", "two tools");
  Json no_object = chat_tools();
  no_object[0]["function"]["parameters"] = {{"type", "string"}};
  expect_error(
      refused(body, "tools", no_object), 400, "invalid_value", "tools[0].function.parameters"
  );
  body["tool_choice"] = "required";
  expect_error(refused(body, "tools", Json::array()), 400, "invalid_value", "tool_choice");
}

TEST_F(ToolsTest, AStrictSchemaThatCannotBeEnforcedIsRefusedAndAnotherIsNot) {
  Json body = chat_body("required", 1);
  body["tools"] = Json::array({chat_tools()[0]});
  Json& function = body["tools"][0]["function"];
  function["parameters"]["properties"]["hours"]["uniqueItems"] = true;
  EXPECT_EQ(server_->post(kChat, body).status, 200);
  function["strict"] = true;
  expect_error(server_->post(kChat, body), 400, "invalid_request", "tools", "uniqueItems");
}

/// As Qwen 3 writes, shortened.
constexpr const char* kQwen = R"({% if tools %}{{ tools | tojson }}{% endif %}
{%- for m in messages %}{{ '<' + m.role + '>' + m.content }}
{%- for call in m.tool_calls or [] %}{{ '<tool_call>\n{"name": "' + call.function.name }}
{{- '", "arguments": ' + (call.function.arguments | tojson) + '}\n</tool_call>' }}{% endfor %}
{%- endfor %}{% if add_generation_prompt %}{{ '<assistant>' }}
{%- if enable_thinking is defined and not enable_thinking %}{{ '<think>\n\n</think>\n\n' }}
{%- endif %}{% endif %})";

constexpr const char* kAnswer =
    "<think>\nHm, <b>.\n</think>\n\nI look. \n<tool_call>\n{\"name\": \"get_weather\", "
    "\"arguments\": {\"place\": \"N\xC3\xAEmes\", \"days\": 2}}\n</tool_call>\n<tool_call>\n"
    "{\"name\": \"order\", \"arguments\": {\"item\": {\"kind\": \"c\\\\d\"}}}\n</tool_call>";

class ScriptedToolsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { real_ = Engine::load(tiny_options()).release(); }
  static void TearDownTestSuite() {
    delete real_;
    real_ = nullptr;
  }

  void SetUp() override { engine_.own_template.emplace(kQwen); }

  /// The reply to an answer whose text comes in parts of so many bytes, but whole characters.
  Answer post(
      const std::string& path, const Json& body, size_t part,
      FinishReason reason = FinishReason::kStop, const std::string& text = kAnswer
  ) {
    std::deque<Event> events;
    for (size_t i = 0; i < text.size();) {
      size_t end = std::min(i + part, text.size());
      while (end < text.size() && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80) ++end;
      events.push_back(text_event(text.substr(i, end - i)));
      i = end;
    }
    events.push_back(last_event(reason));
    engine_.scripts.push_back(std::move(events));
    return server_.post(path, body);
  }

  inline static Engine* real_ = nullptr;
  ScriptedEngine engine_{*real_};
  TestServer server_{engine_};
};

TEST_F(ScriptedToolsTest, ChatPartsThoughtsTextAndCalls) {
  const Json choice = post(kChat, chat_body("auto", 1), 7).json()["choices"][0];

  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  const Json& message = choice["message"];
  EXPECT_EQ(message["content"], "I look.");
  EXPECT_EQ(message["reasoning_content"], "Hm, <b>.");
  ASSERT_EQ(message["tool_calls"].size(), 2U);
  EXPECT_EQ(
      message["tool_calls"][0]["function"]["arguments"],
      "{\"place\": \"N\xC3\xAEmes\", \"days\": 2}"
  );
  EXPECT_EQ(message["tool_calls"][1]["function"]["name"], "order");
  EXPECT_NE(message["tool_calls"][0]["id"], message["tool_calls"][1]["id"]);
}

TEST_F(ScriptedToolsTest, ChatStreamsTheSameWhereverTheTextIsCut) {
  const Json message = post(kChat, chat_body("auto", 1), 1000).json()["choices"][0]["message"];
  Json body = chat_body("auto", 1);
  body["stream"] = true;
  for (size_t part = 1; part < 40; ++part) {
    const std::vector<Json> chunks = documents(post(kChat, body, part));
    std::string content;
    std::string reasoning;
    for (const Json& chunk : chunks) {
      const Json& delta = chunk["choices"][0]["delta"];
      content += delta.value("content", "");
      reasoning += delta.value("reasoning_content", "");
    }
    EXPECT_EQ(content, message["content"]) << part;
    EXPECT_EQ(reasoning, message["reasoning_content"]) << part;
    const Json calls = gathered_calls(chunks);
    ASSERT_EQ(calls.size(), 2U) << part;
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(calls[i]["function"], message["tool_calls"][i]["function"]) << part;
    }
    EXPECT_EQ(chunks.back()["choices"][0]["finish_reason"], "tool_calls") << part;
  }
}

TEST_F(ScriptedToolsTest, AnAnswerThatWasCutOffDoesNotAskForCalls) {
  const Json choice =
      post(kChat, chat_body("auto", 1), 7, FinishReason::kLength).json()["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "length");
}

/// The events of a stream whose events have names.
std::vector<Json> named_events(const Answer& answer) {
  std::vector<Json> events;
  size_t at = 0;
  while ((at = answer.body.find("\ndata: ", at)) != std::string::npos) {
    const size_t end = answer.body.find("\n\n", at);
    events.push_back(Json::parse(answer.body.substr(at + 7, end - at - 7)));
    at = end;
  }
  return events;
}

TEST_F(ScriptedToolsTest, ResponsesStreamAnItemForEachPart) {
  Json body = chat_body("auto", 1);
  body["tools"] = flat_tools();
  body["input"] = body["messages"];
  const Json whole = post(kResponses, body, 1000).json()["output"];
  ASSERT_EQ(whole.size(), 4U) << whole;
  EXPECT_EQ(whole[0]["type"], "reasoning");
  EXPECT_EQ(whole[0]["content"][0]["text"], "Hm, <b>.");
  EXPECT_EQ(whole[1]["content"][0]["text"], "I look.");
  body["stream"] = true;

  const std::vector<Json> events = named_events(post(kResponses, body, 5));

  std::vector<std::string> texts(4);
  std::vector<std::string> types;
  for (const Json& event : events) {
    const std::string type = event["type"];
    if (type.ends_with(".delta")) {
      texts[event["output_index"].get<size_t>()] += event["delta"].get<std::string>();
    }
    if (types.empty() || types.back() != type) types.push_back(type);
  }
  EXPECT_THAT(
      texts, ElementsAre(
                 "Hm, <b>.", "I look.", whole[2]["arguments"].get<std::string>(),
                 whole[3]["arguments"].get<std::string>()
             )
  );
  const std::string part = "response.content_part.";
  const std::string item = "response.output_item.";
  const std::string call = "response.function_call_arguments.";
  EXPECT_THAT(
      types, ElementsAre(
                 "response.created", "response.in_progress", item + "added", part + "added",
                 "response.reasoning_text.delta", "response.reasoning_text.done", part + "done",
                 item + "done", item + "added", part + "added", "response.output_text.delta",
                 "response.output_text.done", part + "done", item + "done", item + "added",
                 call + "delta", call + "done", item + "done", item + "added", call + "delta",
                 call + "done", item + "done", "response.completed"
             )
  );
  Json output = events.back()["response"]["output"];
  ASSERT_EQ(output.size(), 4U);
  EXPECT_EQ(output[2]["arguments"], whole[2]["arguments"]);
  EXPECT_EQ(output[2]["name"], "get_weather");
  EXPECT_EQ(
      events.back()["response"]["usage"]["output_tokens_details"]["reasoning_tokens"],
      real_->tokenizer().encode("Hm, <b>.", false).size()
  );
}

TEST_F(ScriptedToolsTest, MessagesStreamABlockForEachPart) {
  Json body = chat_body({{"type", "auto"}}, 1);
  body["tools"] = anthropic_tools();
  const Json whole = post(kMessages, body, 1000).json();
  ASSERT_EQ(whole["content"].size(), 4U) << whole;
  EXPECT_EQ(whole["content"][0]["thinking"], "Hm, <b>.");
  EXPECT_EQ(whole["content"][1]["text"], "I look.");
  EXPECT_EQ(whole["content"][3]["input"], Json::parse(R"({"item": {"kind": "c\\d"}})"));
  EXPECT_EQ(whole["stop_reason"], "tool_use");
  body["stream"] = true;

  const std::vector<Json> events = named_events(post(kMessages, body, 5));

  std::vector<std::string> kinds;
  std::vector<std::string> texts;
  size_t num_stops = 0;
  for (const Json& event : events) {
    if (event["type"] == "content_block_start") {
      EXPECT_EQ(event["index"], kinds.size());
      EXPECT_EQ(num_stops, kinds.size()) << "one block at a time";
      kinds.push_back(event["content_block"]["type"]);
      texts.emplace_back();
    }
    if (event["type"] == "content_block_stop") ++num_stops;
    if (event["type"] != "content_block_delta") continue;
    EXPECT_EQ(event["index"], kinds.size() - 1);
    for (const char* key : {"text", "thinking", "partial_json"}) {
      texts.back() += event["delta"].value(key, "");
    }
  }
  EXPECT_THAT(kinds, ElementsAre("thinking", "text", "tool_use", "tool_use"));
  EXPECT_EQ(num_stops, 4U);
  EXPECT_EQ(texts[0], "Hm, <b>.");
  EXPECT_EQ(texts[1], "I look.");
  EXPECT_EQ(Json::parse(texts[2]), whole["content"][2]["input"]);
  EXPECT_EQ(Json::parse(texts[3]), whole["content"][3]["input"]);
  EXPECT_EQ(events[events.size() - 2]["delta"]["stop_reason"], "tool_use");
}

TEST_F(ScriptedToolsTest, TheTemplateGetsToolsInTheirOrderAndCallsAsObjects) {
  engine_.scripts.push_back({last_event(FinishReason::kStop)});
  const Answer answer = server_.post_text(kChat, R"({"tools": [{"type": "function", "function":
      {"name": "f", "parameters": {"type": "object", "properties": {"z": {}, "a": {}}}}}],
    "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": null,
      "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f",
        "arguments": "{\"z\": 1, \"a\": 2}"}}]}, {"role": "tool", "tool_call_id": "c",
      "content": "ok"}]})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  const std::string prompt = real_->tokenizer().decode(engine_.requests.back().prompt_ids, false);
  EXPECT_THAT(prompt, HasSubstr(R"("properties": {"z": {}, "a": {}})"));
  EXPECT_THAT(
      prompt, HasSubstr("<tool_call>\n{\"name\": \"f\", \"arguments\": {\"z\": 1, \"a\": 2}}")
  );
}

TEST_F(ScriptedToolsTest, WithoutToolsOrWithNoneNothingIsACall) {
  Json body = chat_body("none", 1);
  const Json message = post(kChat, body, 9).json()["choices"][0]["message"];
  EXPECT_FALSE(message.contains("tool_calls"));
  EXPECT_THAT(message["content"].get<std::string>(), HasSubstr("<tool_call>"));
  EXPECT_EQ(message["reasoning_content"], "Hm, <b>.");
  EXPECT_FALSE(engine_.requests.back().grammar);
}

TEST_F(ScriptedToolsTest, ReasoningIsAskedForByAllItsNames) {
  const auto request = [&](const char* path, const Json& fields) {
    Json body = {{"messages", user_message()}, {"input", "x"}, {"max_tokens", 9}};
    body.update(fields);
    EXPECT_EQ(post(path, body, 100).status, 200) << fields;
    return engine_.requests.back();
  };
  const auto thinks = [&](const Request& one) {
    const std::string prompt = real_->tokenizer().decode(one.prompt_ids, false);
    return prompt.find("</think>") == std::string::npos;
  };
  for (const char* name : {"reasoning_budget", "thinking_budget", "thinking_token_budget"}) {
    EXPECT_EQ(request(kChat, {{name, 5}}).reasoning->max_tokens, 5) << name;
  }
  EXPECT_EQ(request(kChat, {{"reasoning", {{"max_tokens", 6}}}}).reasoning->max_tokens, 6);
  EXPECT_EQ(request(kResponses, {{"reasoning_budget", 7}}).reasoning->close, "</think>");
  EXPECT_FALSE(request(kChat, {{"reasoning_budget", -1}}).reasoning);
  const Request anthropic =
      request(kMessages, {{"thinking", {{"type", "enabled"}, {"budget_tokens", 8}}}});
  EXPECT_EQ(anthropic.reasoning->max_tokens, 8);
  EXPECT_TRUE(thinks(anthropic));
  EXPECT_FALSE(thinks(request(kMessages, {{"thinking", {{"type", "disabled"}}}})));
  EXPECT_FALSE(thinks(request(kChat, {{"enable_thinking", false}})));
  EXPECT_FALSE(thinks(request(kChat, {{"chat_template_kwargs", {{"enable_thinking", false}}}})));
  EXPECT_FALSE(thinks(request(kChat, {{"reasoning_effort", "none"}})));
  EXPECT_FALSE(thinks(request(kResponses, {{"reasoning", {{"effort", "none"}}}})));
  EXPECT_TRUE(thinks(request(kChat, Json::object())));
}

/// The tiny model with another template.
class ThinkingModelTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryDirectory();
    const std::filesystem::path source = kModelsFolder + "tiny-1m-exl3-3.0bpw";
    for (const auto& file : std::filesystem::directory_iterator(source)) {
      std::filesystem::copy(file.path(), folder_->path() / file.path().filename());
    }
    std::ifstream input(source / "tokenizer_config.json");
    Json config = Json::parse(input);
    config["chat_template"] =
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}"
        "{% endfor %}{{ '<|im_start|>assistant\\n<think>\\n' }}{% set unused = '</think>' %}";
    std::ofstream(folder_->path() / "tokenizer_config.json") << config.dump();
    EngineOptions options = tiny_options();
    options.model_directory = folder_->path().string();
    server_ = new TestServer(options);
  }
  static void TearDownTestSuite() {
    delete server_;
    server_ = nullptr;
    delete folder_;
    folder_ = nullptr;
  }

  inline static TemporaryDirectory* folder_ = nullptr;
  inline static TestServer* server_ = nullptr;
};

TEST_F(ThinkingModelTest, ABudgetEndsThoughtsExactly) {
  Engine& engine = server_->engine();
  Json body = {{"messages", user_message()}, {"max_tokens", 60}, {"temperature", 0}};
  Request free;
  free.prompt_ids = server_->post("/tokenize", body).json()["tokens"].get<std::vector<int32_t>>();
  free.sampling.temperature = 0.0f;
  free.max_tokens = 60;
  Event all;
  const auto stream = std::move(engine.submit(free)).value();
  while (auto event = stream->next()) all.append(*std::move(event));
  for (const size_t budget : {0, 1, 7}) {
    body["reasoning_budget"] = budget;

    const Json message = server_->post(kChat, body).json()["choices"][0]["message"];

    const std::string thoughts =
        engine.tokenizer().decode(std::span(all.token_ids).subspan(0, budget), true);
    const size_t begin = thoughts.find_first_not_of(" \n");
    const size_t end = thoughts.find_last_not_of(" \n");
    const std::string expected =
        begin == std::string::npos ? "" : thoughts.substr(begin, end + 1 - begin);
    EXPECT_EQ(message.value("reasoning_content", ""), expected) << budget;
    EXPECT_THAT(message["content"].get<std::string>(), testing::Not(HasSubstr("</think>")));
  }
}

TEST_F(ThinkingModelTest, CallsAreRequiredBehindThoughts) {
  for (int seed = 0; seed < 3; ++seed) {
    Json body = chat_body("required", seed);
    body["tools"] = Json::parse(R"([{"type": "function", "function": {"name": "order",
      "parameters": {"type": "object", "properties": {"item": {"enum": [7, 8]}}}}}])");
    body["reasoning_budget"] = 10;
    const Json choice = server_->post(kChat, body).json()["choices"][0];
    EXPECT_EQ(choice["finish_reason"], "tool_calls") << choice;
    for (const Json& call : choice["message"]["tool_calls"]) {
      EXPECT_EQ(call["function"]["name"], "order");
      EXPECT_THAT(
          call["function"]["arguments"], testing::AnyOf(R"({})", R"({"item": 7})", R"({"item": 8})")
      );
    }
    EXPECT_FALSE(choice["message"].value("reasoning_content", "").empty()) << choice;
  }
}

TEST_F(ThinkingModelTest, AFormHoldsForTheTextBehindThoughts) {
  const Json body = {{"messages", user_message()}, {"max_tokens", 200},
                     {"temperature", 1.5},         {"seed", 2},
                     {"reasoning_budget", 10},     {"guided_choice", {"yes", "no"}}};
  const Json message = server_->post(kChat, body).json()["choices"][0]["message"];
  EXPECT_THAT(message["content"], testing::AnyOf("yes", "no")) << message;
  EXPECT_FALSE(message["reasoning_content"].get<std::string>().empty()) << message;
}

}  // namespace
}  // namespace trellis::server
