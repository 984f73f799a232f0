#include "server/api_harness.h"

namespace trellis::server {
namespace {

constexpr const char* kPath = "/v1/responses";

Json hello() {
  return {{"input", "Hello! How are you today?"}, {"max_output_tokens", 24}, {"seed", kSeed}};
}

/// The same conversation for chat completions.
Json chat_hello() {
  return {
      {"messages", Json::array({{{"role", "user"}, {"content", "Hello! How are you today?"}}})},
      {"max_tokens", 24},
      {"seed", kSeed}
  };
}

class ResponsesTest : public ApiTest {};

TEST_F(ResponsesTest, AnswersAsTheChatDoes) {
  const Json chat = server_->post("/v1/chat/completions", chat_hello()).json();

  const Answer answer = server_->post(kPath, hello());

  ASSERT_EQ(answer.status, 200) << answer.body;
  const Json response = answer.json();
  EXPECT_EQ(response["object"], "response");
  EXPECT_TRUE(response["id"].get<std::string>().starts_with("resp_"));
  const bool complete = chat["choices"][0]["finish_reason"] == "stop";
  EXPECT_EQ(response["status"], complete ? "completed" : "incomplete");
  EXPECT_EQ(response["max_output_tokens"], 24);
  EXPECT_EQ(response["store"], false);
  ASSERT_EQ(response["output"].size(), 1U);
  const Json& item = response["output"][0];
  EXPECT_EQ(item["type"], "message");
  ASSERT_EQ(item["content"].size(), 1U);
  EXPECT_EQ(item["content"][0]["type"], "output_text");
  EXPECT_EQ(item["content"][0]["text"], chat["choices"][0]["message"]["content"]);
  EXPECT_EQ(response["usage"]["input_tokens"], chat["usage"]["prompt_tokens"]);
  EXPECT_EQ(response["usage"]["output_tokens"], chat["usage"]["completion_tokens"]);
}

TEST_F(ResponsesTest, SaysThatAnAnswerHadToEnd) {
  Json body = hello();
  body["max_output_tokens"] = 2;
  const Json response = server_->post(kPath, body).json();
  EXPECT_EQ(response["status"], "incomplete");
  EXPECT_EQ(response["incomplete_details"]["reason"], "max_output_tokens");
}

TEST_F(ResponsesTest, StreamsTheTextOfTheWholeAnswer) {
  const Json whole = server_->post(kPath, hello()).json();
  Json body = hello();
  body["stream"] = true;

  const Answer answer = server_->post(kPath, body);

  ASSERT_TRUE(answer.streamed);
  std::vector<std::string> types;
  std::string text;
  Json last;
  std::string rest = answer.body;
  while (!rest.empty()) {
    const size_t end = rest.find("\n\n");
    const size_t data = rest.find("\ndata: ");
    ASSERT_TRUE(end != std::string::npos && data < end) << rest;
    last = Json::parse(rest.substr(data + 7, end - data - 7));
    EXPECT_EQ("event: " + last["type"].get<std::string>(), rest.substr(0, data));
    EXPECT_EQ(last["sequence_number"], types.size());
    types.push_back(last["type"]);
    if (types.back() == "response.output_text.delta") text += last["delta"].get<std::string>();
    if (types.back() == "response.output_text.done") {
      EXPECT_EQ(last["text"], text);
    }
    rest.erase(0, end + 2);
  }
  ASSERT_GE(types.size(), 9U);
  const std::vector<std::string> first(types.begin(), types.begin() + 4);
  const std::vector<std::string> end(types.end() - 4, types.end());
  EXPECT_EQ(
      first, (std::vector<std::string>{
                 "response.created", "response.in_progress", "response.output_item.added",
                 "response.content_part.added"
             })
  );
  EXPECT_EQ(
      end, (std::vector<std::string>{
               "response.output_text.done", "response.content_part.done",
               "response.output_item.done", "response." + whole["status"].get<std::string>()
           })
  );
  EXPECT_EQ(text, whole["output"][0]["content"][0]["text"]);
  EXPECT_EQ(last["response"]["output"][0]["content"], whole["output"][0]["content"]);
  EXPECT_EQ(last["response"]["usage"]["output_tokens"], whole["usage"]["output_tokens"]);
}

TEST_F(ResponsesTest, TakesInstructionsAndItems) {
  Json body = hello();
  body["instructions"] = "be kind";
  body["input"] = Json::parse(R"([
    {"role": "user", "content": [{"type": "input_text", "text": "1 + 1?"}]},
    {"type": "reasoning", "summary": []},
    {"type": "function_call", "call_id": "c1", "name": "add", "arguments": "{\"a\": 1}"},
    {"type": "function_call_output", "call_id": "c1", "output": "2"},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "2"}]},
    {"type": "message", "role": "user", "content": "thanks"}])");
  const std::string prompt =
      "<|im_start|>system\nbe kind<|im_end|>\n<|im_start|>user\n1 + 1?<|im_end|>\n"
      "<|im_start|>assistant\n"
      "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1}}\n</tool_call><|im_end|>\n"
      "<|im_start|>user\n<tool_response>\n2\n</tool_response><|im_end|>\n"
      "<|im_start|>assistant\n2<|im_end|>\n<|im_start|>user\nthanks<|im_end|>\n"
      "<|im_start|>assistant\n";

  const Answer answer = server_->post(kPath, body);

  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.json()["usage"]["input_tokens"], tokenizer().encode(prompt, false).size());
}

TEST_F(ResponsesTest, HoldsTheAnswerToItsFormat) {
  Json body = hello();
  body["max_output_tokens"] = 100;
  body["text"] = Json::parse(R"({"format": {"type": "json_schema", "name": "n", "schema": {
    "type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "boolean"}}}})");

  const Answer answer = server_->post(kPath, body);

  ASSERT_EQ(answer.status, 200) << answer.body;
  const std::string text = answer.json()["output"][0]["content"][0]["text"];
  const Json pair = Json::parse(text);
  ASSERT_EQ(pair.size(), 2U) << text;
  EXPECT_TRUE(pair[0].is_boolean() && pair[1].is_boolean()) << text;
  body["text"]["format"] = {{"type", "json_schema"}, {"schema", 7}};
  expect_error(server_->post(kPath, body), 400, "invalid_type", "text.format.schema");
}

TEST_F(ResponsesTest, RefusesByNameWhatItDoesNotDo) {
  const std::vector<std::pair<std::string, Json>> refused = {
      {"previous_response_id", "resp_1"},
      {"background", true},
  };
  for (const auto& [name, value] : refused) {
    Json body = hello();
    body[name] = value;
    expect_error(server_->post(kPath, body), 400, "unsupported", name, name);
  }
  Json body = hello();
  body["tools"] = Json::array({{{"type", "web_search"}}});
  expect_error(server_->post(kPath, body), 400, "unsupported", "tools[0].type", "web_search");
  body.erase("tools");
  body["input"] = Json::array({{{"type", "item_reference"}, {"id", "a"}}});
  expect_error(server_->post(kPath, body), 400, "unsupported", "input[0].type");
  body["input"] = Json::array();
  expect_error(server_->post(kPath, body), 400, "invalid_value", "input");
  body["input"] = std::string(2000, 'x');
  expect_error(server_->post(kPath, body), 400, "context_length_exceeded", "input");
}

}  // namespace
}  // namespace trellis::server
