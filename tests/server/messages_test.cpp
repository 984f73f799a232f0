#include "server/api_harness.h"

namespace trellis::server {
namespace {

constexpr const char* kPath = "/v1/messages";

Json hello() {
  return {
      {"messages", Json::array({{{"role", "user"}, {"content", "Hello! How are you today?"}}})},
      {"max_tokens", 24},
      {"seed", kSeed}
  };
}

/// The documents of a stream's events; each has its type as its name.
std::vector<Json> named_documents(const Answer& answer) {
  EXPECT_TRUE(answer.streamed);
  std::vector<Json> result;
  std::string rest = answer.body;
  while (!rest.empty()) {
    const size_t end = rest.find("\n\n");
    const size_t line = rest.find("\ndata: ");
    if (end == std::string::npos || line > end || !rest.starts_with("event: ")) {
      ADD_FAILURE() << "not an event: " << rest;
      return result;
    }
    result.push_back(Json::parse(rest.substr(line + 7, end - line - 7)));
    EXPECT_EQ(result.back()["type"], rest.substr(7, line - 7));
    rest.erase(0, end + 2);
  }
  return result;
}

class MessagesTest : public ApiTest {};

TEST_F(MessagesTest, AnswersAsTheChatDoes) {
  const Json chat = server_->post("/v1/chat/completions", hello()).json();
  Json body = hello();
  body["model"] = "tiny-alias";

  const Answer answer = server_->post(kPath, body);

  ASSERT_EQ(answer.status, 200) << answer.body;
  const Json message = answer.json();
  EXPECT_EQ(message["type"], "message");
  EXPECT_EQ(message["role"], "assistant");
  EXPECT_EQ(message["model"], "tiny-alias");
  EXPECT_TRUE(message["id"].get<std::string>().starts_with("msg_"));
  ASSERT_EQ(message["content"].size(), 1U);
  EXPECT_EQ(message["content"][0]["type"], "text");
  EXPECT_EQ(message["content"][0]["text"], chat["choices"][0]["message"]["content"]);
  EXPECT_EQ(message["usage"]["output_tokens"], chat["usage"]["completion_tokens"]);
  const Json& usage = message["usage"];
  EXPECT_EQ(
      usage["input_tokens"].get<int>() + usage["cache_read_input_tokens"].get<int>(),
      chat["usage"]["prompt_tokens"]
  );
}

TEST_F(MessagesTest, SaysWhyItEnded) {
  Json body = hello();
  body["temperature"] = 0;
  Json message = server_->post(kPath, body).json();
  EXPECT_EQ(message["stop_reason"], "end_turn");
  EXPECT_TRUE(message["stop_sequence"].is_null());
  const std::string text = message["content"][0]["text"];
  ASSERT_GT(text.size(), 8U);

  body["stop_sequences"] = {"never occurs", text.substr(4, 3)};
  message = server_->post(kPath, body).json();
  EXPECT_EQ(message["stop_reason"], "stop_sequence");
  EXPECT_EQ(message["stop_sequence"], text.substr(4, 3));
  EXPECT_EQ(message["content"][0]["text"], text.substr(0, text.find(text.substr(4, 3))));

  body["max_tokens"] = 2;
  body.erase("stop_sequences");
  EXPECT_EQ(server_->post(kPath, body).json()["stop_reason"], "max_tokens");
}

TEST_F(MessagesTest, StreamsTheTextOfTheWholeAnswer) {
  const Json whole = server_->post(kPath, hello()).json();
  Json body = hello();
  body["stream"] = true;

  const std::vector<Json> events = named_documents(server_->post(kPath, body));

  ASSERT_GE(events.size(), 6U);
  const Json& start = events[0];
  EXPECT_EQ(start["type"], "message_start");
  EXPECT_TRUE(start["message"]["content"].empty());
  EXPECT_TRUE(start["message"]["stop_reason"].is_null());
  EXPECT_EQ(events[1]["type"], "content_block_start");
  std::string text;
  for (size_t i = 2; i + 3 < events.size(); ++i) {
    EXPECT_EQ(events[i]["type"], "content_block_delta");
    EXPECT_EQ(events[i]["delta"]["type"], "text_delta");
    text += events[i]["delta"]["text"].get<std::string>();
  }
  EXPECT_EQ(text, whole["content"][0]["text"]);
  EXPECT_EQ(events[events.size() - 3]["type"], "content_block_stop");
  const Json& delta = events[events.size() - 2];
  EXPECT_EQ(delta["type"], "message_delta");
  EXPECT_EQ(delta["delta"]["stop_reason"], whole["stop_reason"]);
  EXPECT_EQ(delta["usage"]["output_tokens"], whole["usage"]["output_tokens"]);
  EXPECT_EQ(delta["usage"]["input_tokens"], start["message"]["usage"]["input_tokens"]);
  EXPECT_EQ(events.back()["type"], "message_stop");
}

TEST_F(MessagesTest, CountsTokens) {
  Json body = hello();
  body.erase("max_tokens");
  body["system"] = Json::parse(R"([{"type": "text", "text": "be kind"}])");
  const std::string prompt =
      "<|im_start|>system\nbe kind<|im_end|>\n<|im_start|>user\nHello! How are you today?"
      "<|im_end|>\n<|im_start|>assistant\n";

  EXPECT_EQ(
      server_->post("/v1/messages/count_tokens", body).json(),
      Json({{"input_tokens", tokenizer().encode(prompt, false).size()}})
  );
}

TEST_F(MessagesTest, GoesOnWithALastMessageOfTheAssistant) {
  Json body = hello();
  body.erase("max_tokens");
  body["messages"].push_back({{"role", "assistant"}, {"content", "I am"}});
  const std::string prompt =
      "<|im_start|>user\nHello! How are you today?<|im_end|>\n<|im_start|>assistant\nI am";

  EXPECT_EQ(
      server_->post("/v1/messages/count_tokens", body).json()["input_tokens"],
      tokenizer().encode(prompt, false).size()
  );
}

TEST_F(MessagesTest, TakesBlocksOfToolsThatWereCalled) {
  Json body = hello();
  body.erase("max_tokens");
  body["messages"] = Json::parse(R"([
    {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
    {"role": "assistant", "content": [
      {"type": "text", "text": "let me see"},
      {"type": "tool_use", "id": "t1", "name": "add", "input": {"a": 1}}]},
    {"role": "user", "content": [
      {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "2"}]},
      {"type": "text", "text": "so?"}]}])");
  const std::string prompt =
      "<|im_start|>user\none\ntwo<|im_end|>\n<|im_start|>assistant\nlet me see\n"
      "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1}}\n</tool_call><|im_end|>\n"
      "<|im_start|>user\n<tool_response>\n2\n</"
      "tool_response><|im_end|>\n<|im_start|>user\nso?<|im_end|>\n<|im_start|>assistant\n";

  const Answer answer = server_->post("/v1/messages/count_tokens", body);

  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.json()["input_tokens"], tokenizer().encode(prompt, false).size());
}

TEST_F(MessagesTest, ErrorsHaveAnthropicsShapeToo) {
  const auto refuse = [&](Json body, int status, const char* type, const char* param) {
    const Answer answer = server_->post(kPath, body);
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_EQ(answer.json()["type"], "error");
    EXPECT_EQ(answer.json()["error"]["type"], type);
    EXPECT_EQ(answer.json()["error"]["param"], param);
  };
  Json body = hello();
  body["model"] = "other";
  refuse(body, 404, "not_found_error", "model");
  body = hello();
  body.erase("max_tokens");
  refuse(body, 400, "invalid_request_error", "max_tokens");
  body = hello();
  body["messages"][0]["role"] = "system";
  refuse(body, 400, "invalid_request_error", "messages[0].role");
  body["messages"] =
      Json::parse(R"([{"role": "user", "content": [{"type": "image", "source": {}}]}])");
  refuse(body, 400, "invalid_request_error", "messages[0].content[0].type");
  body["messages"] = Json::parse(R"([{"role": "assistant", "content": [{"type": "tool_use"}]}])");
  refuse(body, 400, "invalid_request_error", "messages[0].content[0].name");
  body = hello();
  body["messages"][0]["content"] = std::string(2000, 'x');
  refuse(body, 400, "invalid_request_error", "messages");
}

}  // namespace
}  // namespace trellis::server
