#include "server/api_harness.h"

#include <gmock/gmock.h>

namespace trellis::server {
namespace {

constexpr const char* kPath = "/v1/completions";
constexpr const char* kText = "Once upon a time";

Json once() {
  return {{"prompt", kText}, {"seed", kSeed}, {"max_tokens", 16}};
}

class CompletionsTest : public ApiTest {
 protected:
  static std::string text_of(const Json& body, size_t choice = 0) {
    const Answer answer = server_->post(kPath, body);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.json()["choices"][choice]["text"];
  }
};

TEST_F(CompletionsTest, GoesOnWithATextOrItsTokens) {
  const Answer answer = server_->post(kPath, once());
  ASSERT_EQ(answer.status, 200) << answer.body;
  const Json document = answer.json();
  EXPECT_EQ(document["object"], "text_completion");
  EXPECT_TRUE(document["id"].get<std::string>().starts_with("cmpl-"));
  const std::string text = document["choices"][0]["text"];
  EXPECT_FALSE(text.empty());

  Json body = once();
  const std::vector<int32_t> ids = tokenizer().encode(kText, true);
  body["prompt"] = ids;
  EXPECT_EQ(text_of(body), text);
  body["prompt"] = Json::array({ids});
  EXPECT_EQ(text_of(body), text);
  body["prompt"] = Json::array({kText});
  EXPECT_EQ(text_of(body), text);
}

TEST_F(CompletionsTest, AnswersSeveralPromptsAsEachAlone) {
  const std::vector<std::string> prompts = {kText, "The cat", "Two and two"};
  Json body = once();
  body["prompt"] = prompts;
  body["n"] = 2;

  const Json document = server_->post(kPath, body).json();

  ASSERT_EQ(document["choices"].size(), 6U);
  int64_t prompt_tokens = 0;
  for (size_t p = 0; p < prompts.size(); ++p) {
    Json alone = once();
    alone["prompt"] = prompts[p];
    alone["n"] = 2;
    const Json expected = server_->post(kPath, alone).json();
    prompt_tokens += expected["usage"]["prompt_tokens"].get<int64_t>();
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(document["choices"][2 * p + i]["index"], 2 * p + i);
      EXPECT_EQ(document["choices"][2 * p + i]["text"], expected["choices"][i]["text"]);
    }
  }
  EXPECT_EQ(document["usage"]["prompt_tokens"], prompt_tokens);
}

TEST_F(CompletionsTest, EchoesThePrompt) {
  const std::string text = text_of(once());
  Json body = once();
  body["echo"] = true;
  EXPECT_EQ(text_of(body), kText + text);

  body["stream"] = true;
  std::string streamed;
  for (const Json& chunk : documents(server_->post(kPath, body))) {
    streamed += chunk["choices"][0]["text"].get<std::string>();
  }
  EXPECT_EQ(streamed, kText + text);

  body["prompt"] = tokenizer().encode(kText, true);
  body["stream"] = false;
  EXPECT_EQ(text_of(body), kText + text);
}

TEST_F(CompletionsTest, StreamsTheTextOfTheWholeAnswer) {
  Json body = once();
  body["logprobs"] = 2;
  const Json whole = server_->post(kPath, body).json()["choices"][0];
  body["stream"] = true;
  body["stream_options"] = {{"include_usage", true}};

  std::string text;
  Json logprobs = {
      {"tokens", Json::array()},
      {"token_logprobs", Json::array()},
      {"top_logprobs", Json::array()},
      {"text_offset", Json::array()}
  };
  const std::vector<Json> chunks = documents(server_->post(kPath, body));
  for (const Json& chunk : chunks) {
    if (chunk["choices"].empty()) continue;
    const Json& choice = chunk["choices"][0];
    text += choice["text"].get<std::string>();
    if (choice["logprobs"].is_null()) continue;
    for (auto& [key, list] : logprobs.items()) {
      for (const Json& item : choice["logprobs"][key]) list.push_back(item);
    }
  }

  EXPECT_EQ(text, whole["text"]);
  EXPECT_EQ(logprobs, whole["logprobs"]);
  EXPECT_EQ(chunks.back()["usage"]["completion_tokens"], whole["logprobs"]["tokens"].size());
}

TEST_F(CompletionsTest, ReportsLogProbabilitiesByTheirPlaceInTheText) {
  Json body = once();
  body["logprobs"] = 2;
  body["temperature"] = 0;
  body["ignore_eos"] = true;
  body["max_tokens"] = 8;

  const Json choice = server_->post(kPath, body).json()["choices"][0];
  const Json& logprobs = choice["logprobs"];

  const std::string text = choice["text"];
  ASSERT_EQ(logprobs["tokens"].size(), 8U);
  for (size_t i = 0; i < 8; ++i) {
    const std::string token = logprobs["tokens"][i];
    // The text is ASCII here, so that characters are bytes.
    EXPECT_EQ(text.substr(logprobs["text_offset"][i].get<size_t>(), token.size()), token);
    EXPECT_LE(logprobs["token_logprobs"][i].get<double>(), 0.0);
    ASSERT_EQ(logprobs["top_logprobs"][i].size(), 2U);
    EXPECT_EQ(logprobs["top_logprobs"][i][token], logprobs["token_logprobs"][i]);
  }
}

TEST_F(CompletionsTest, RefusesByNameWhatItDoesNotDo) {
  const std::vector<std::pair<std::string, Json>> refused = {{"best_of", 2}, {"suffix", "end"}};
  for (const auto& [name, value] : refused) {
    Json body = once();
    body[name] = value;
    expect_error(server_->post(kPath, body), 400, "unsupported", name, name);
  }
  Json body = once();
  body["best_of"] = 1;
  body["suffix"] = nullptr;
  EXPECT_EQ(server_->post(kPath, body).status, 200);
}

/// What evaluations ask for: the log probabilities of a text, and no answer.
TEST_F(CompletionsTest, EchoesLogProbabilitiesOfThePrompt) {
  Json body = {{"prompt", kText}, {"echo", true}, {"logprobs", 2}, {"max_tokens", 0}};
  const Json document = server_->post(kPath, body).json();
  const Json& choice = document["choices"][0];

  const std::vector<int32_t> ids = tokenizer().encode(kText, true);
  EXPECT_EQ(choice["text"], kText);
  EXPECT_EQ(choice["finish_reason"], "length");
  EXPECT_EQ(document["usage"]["completion_tokens"], 0);
  const Json& logprobs = choice["logprobs"];
  ASSERT_EQ(logprobs["tokens"].size(), ids.size());
  ASSERT_EQ(logprobs["text_offset"].size(), ids.size());
  EXPECT_TRUE(logprobs["token_logprobs"][0].is_null());
  EXPECT_TRUE(logprobs["top_logprobs"][0].is_null());
  Request request;
  request.prompt_ids = ids;
  request.prompt_logprobs = 2;
  request.max_tokens = 0;
  auto stream = server_->engine().submit(request);
  ASSERT_TRUE(stream.ok());
  const Event expected = *stream.value()->next();
  const std::string text = kText;
  for (size_t i = 1; i < ids.size(); ++i) {
    EXPECT_EQ(logprobs["token_logprobs"][i].get<float>(), expected.prompt_logprobs[i - 1].logprob);
    EXPECT_GE(logprobs["top_logprobs"][i].size(), 1u);
    const std::string token = logprobs["tokens"][i];
    EXPECT_EQ(text.substr(logprobs["text_offset"][i].get<size_t>(), token.size()), token);
  }
  EXPECT_FALSE(choice.contains("prompt_logprobs"));
}

TEST_F(CompletionsTest, EchoesThePromptsLogProbabilitiesBeforeTheAnswers) {
  Json body = once();
  body["logprobs"] = 1;
  body["ignore_eos"] = true;
  const Json answer = server_->post(kPath, body).json()["choices"][0];
  body["echo"] = true;
  const Json whole = server_->post(kPath, body).json()["choices"][0];
  const size_t prompt = tokenizer().encode(kText, true).size();

  EXPECT_EQ(whole["text"], kText + answer["text"].get<std::string>());
  ASSERT_EQ(whole["logprobs"]["tokens"].size(), prompt + 16);
  for (size_t i = 0; i < 16; ++i) {
    EXPECT_EQ(whole["logprobs"]["tokens"][prompt + i], answer["logprobs"]["tokens"][i]);
    EXPECT_EQ(
        whole["logprobs"]["token_logprobs"][prompt + i], answer["logprobs"]["token_logprobs"][i]
    );
    EXPECT_EQ(
        whole["logprobs"]["text_offset"][prompt + i].get<size_t>(),
        answer["logprobs"]["text_offset"][i].get<size_t>() + std::string(kText).size()
    );
  }

  body["stream"] = true;
  std::string text;
  Json streamed = Json::object();
  for (const Json& chunk : documents(server_->post(kPath, body))) {
    const Json& choice = chunk["choices"][0];
    text += choice["text"].get<std::string>();
    if (choice["logprobs"].is_null()) continue;
    for (const auto& [key, list] : choice["logprobs"].items()) {
      for (const Json& item : list) streamed[key].push_back(item);
    }
  }
  EXPECT_EQ(text, whole["text"]);
  EXPECT_EQ(streamed, whole["logprobs"]);
}

TEST_F(CompletionsTest, ListsLogProbabilitiesOfThePromptApart) {
  Json body = once();
  body["prompt_logprobs"] = 0;
  const Json choice = server_->post(kPath, body).json()["choices"][0];
  ASSERT_EQ(choice["prompt_logprobs"].size(), tokenizer().encode(kText, true).size());
  EXPECT_TRUE(choice["prompt_logprobs"][0].is_null());
  EXPECT_EQ(choice["prompt_logprobs"][1].size(), 1u);
  EXPECT_TRUE(choice["logprobs"].is_null());
}

TEST_F(CompletionsTest, RefusesWrongPrompts) {
  Json body = once();
  const auto refuse = [&](const Json& prompt, const char* code, const char* param) {
    body["prompt"] = prompt;
    expect_error(server_->post(kPath, body), 400, code, param);
  };
  refuse(Json::array(), "invalid_value", "prompt");
  refuse(true, "invalid_type", "prompt");
  refuse(Json::array({kText, 7}), "invalid_type", "prompt[1]");
  refuse(Json::array({7, kText}), "invalid_type", "prompt[1]");
  refuse(Json::array({7, -1}), "invalid_value", "prompt[1]");
  refuse(Json::array({7, 5'000'000'000}), "invalid_value", "prompt[1]");
  refuse(Json::array({7, 100'000}), "invalid_request", "prompt");
  refuse("", "invalid_request", "prompt");
  refuse(std::vector<std::string>(129, "a"), "invalid_value", "prompt");
  refuse(nullptr, "missing_required_parameter", "prompt");
  body["n"] = 65;
  refuse(Json::array({"a", "b"}), "invalid_value", "n");
}

}  // namespace
}  // namespace trellis::server
