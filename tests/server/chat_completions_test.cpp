#include "server/api/sampling_fields.h"
#include "server/api_harness.h"

#include <gmock/gmock.h>

#include <cmath>
#include <set>

namespace trellis::server {
namespace {

using testing::HasSubstr;

constexpr const char* kPath = "/v1/chat/completions";

Json hello() {
  return {
      {"messages", Json::array({{{"role", "user"}, {"content", "Hello! How are you today?"}}})},
      {"seed", kSeed},
      {"max_tokens", 24}
  };
}

/// The same conversation as the model sees it, written by hand.
constexpr const char* kHelloPrompt =
    "<|im_start|>user\nHello! How are you today?<|im_end|>\n<|im_start|>assistant\n";

class ChatCompletionsTest : public ApiTest {
 protected:
  /// What the engine itself answers.
  static Event engine_answer(const Json& body, uint64_t seed) {
    Request request;
    request.prompt_ids = tokenizer().encode(kHelloPrompt, false);
    request.sampling = server_->engine().default_sampling();
    request.sampling.seed = seed;
    request.max_tokens = body.at("max_tokens").get<int64_t>();
    auto stream = server_->engine().submit(std::move(request));
    Event all;
    while (auto event = stream.value()->next()) all.append(*std::move(event));
    return all;
  }
};

TEST_F(ChatCompletionsTest, AnswersAsTheEngineDoesWithTheModelsOwnSampling) {
  const Event expected = engine_answer(hello(), kSeed);

  const Answer answer = server_->post(kPath, hello());

  ASSERT_EQ(answer.status, 200) << answer.body;
  const Json document = answer.json();
  EXPECT_EQ(document["object"], "chat.completion");
  EXPECT_TRUE(document["id"].get<std::string>().starts_with("chatcmpl-"));
  EXPECT_EQ(document["model"], "tiny");
  EXPECT_TRUE(document["system_fingerprint"].get<std::string>().starts_with("fp_"));
  ASSERT_EQ(document["choices"].size(), 1U);
  const Json& choice = document["choices"][0];
  EXPECT_EQ(choice["index"], 0);
  EXPECT_EQ(choice["message"]["role"], "assistant");
  EXPECT_EQ(choice["message"]["content"], expected.text);
  EXPECT_FALSE(expected.text.empty());
  EXPECT_EQ(choice["finish_reason"], finish_reason_name(expected.finish_reason));
  EXPECT_TRUE(choice["logprobs"].is_null());
}

TEST_F(ChatCompletionsTest, CountsTokensExactly) {
  Json body = hello();
  body["cache_salt"] = "CountsTokensExactly";
  body["ignore_eos"] = true;
  const auto prompt = static_cast<int64_t>(tokenizer().encode(kHelloPrompt, false).size());

  const Answer answer = server_->post(kPath, body);

  const Json usage = answer.json()["usage"];
  EXPECT_EQ(usage["prompt_tokens"], prompt);
  EXPECT_EQ(usage["completion_tokens"], 24);
  EXPECT_EQ(usage["total_tokens"], prompt + 24);
  EXPECT_EQ(usage["prompt_tokens_details"]["cached_tokens"], 0);
  EXPECT_EQ(answer.figures->prompt_tokens, prompt);
  EXPECT_EQ(answer.figures->answer_tokens, 24);
  EXPECT_EQ(answer.json()["choices"][0]["finish_reason"], "length");
}

TEST_F(ChatCompletionsTest, SaysHowMuchOfThePromptWasComputedBefore) {
  Json body = hello();
  body["cache_salt"] = "SaysHowMuch";
  body["messages"][0]["content"] = std::string(400, 'x');
  body["max_tokens"] = 1;

  const Json first = server_->post(kPath, body).json();
  const Json second = server_->post(kPath, body).json();
  body["cache_salt"] = "another";
  const Json third = server_->post(kPath, body).json();

  const int64_t prompt = first["usage"]["prompt_tokens"].get<int64_t>();
  ASSERT_GT(prompt, 256);
  EXPECT_EQ(first["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
  EXPECT_EQ(second["usage"]["prompt_tokens_details"]["cached_tokens"], prompt - 1);
  EXPECT_EQ(third["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
}

TEST_F(ChatCompletionsTest, StreamsTheTextOfTheWholeAnswer) {
  const Json whole = server_->post(kPath, hello()).json();
  Json body = hello();
  body["stream"] = true;
  body["stream_options"] = {{"include_usage", true}};

  const Answer answer = server_->post(kPath, body);
  const std::vector<Json> chunks = documents(answer);

  ASSERT_GE(chunks.size(), 4U);
  EXPECT_EQ(chunks.front()["choices"][0]["delta"]["role"], "assistant");
  std::string text;
  std::string finish_reason;
  for (size_t i = 0; i + 1 < chunks.size(); ++i) {
    const Json& chunk = chunks[i];
    EXPECT_EQ(chunk["object"], "chat.completion.chunk");
    EXPECT_EQ(chunk["id"], chunks.front()["id"]);
    EXPECT_TRUE(chunk["usage"].is_null());
    ASSERT_EQ(chunk["choices"].size(), 1U);
    const Json& choice = chunk["choices"][0];
    EXPECT_TRUE(finish_reason.empty()) << "a chunk after the last one";
    if (choice["delta"].contains("content")) text += choice["delta"]["content"].get<std::string>();
    if (!choice["finish_reason"].is_null()) finish_reason = choice["finish_reason"];
  }
  EXPECT_EQ(text, whole["choices"][0]["message"]["content"]);
  EXPECT_EQ(finish_reason, whole["choices"][0]["finish_reason"]);
  EXPECT_TRUE(chunks.back()["choices"].empty());
  EXPECT_EQ(chunks.back()["usage"]["completion_tokens"], whole["usage"]["completion_tokens"]);
  EXPECT_EQ(answer.figures->answer_tokens, whole["usage"]["completion_tokens"]);
}

TEST_F(ChatCompletionsTest, StreamsWithoutUsageUnlessAsked) {
  Json body = hello();
  body["stream"] = true;
  for (const Json& chunk : documents(server_->post(kPath, body))) {
    EXPECT_FALSE(chunk.contains("usage"));
    EXPECT_EQ(chunk["choices"].size(), 1U);
  }
}

TEST_F(ChatCompletionsTest, GivesSeveralChoicesTheFirstOfWhichHasTheSeedItself) {
  Json body = hello();
  body["n"] = 3;

  const Json document = server_->post(kPath, body).json();
  const Json again = server_->post(kPath, body).json();

  ASSERT_EQ(document["choices"].size(), 3U);
  std::set<std::string> texts;
  int64_t tokens = 0;
  for (size_t i = 0; i < 3; ++i) {
    const Event expected = engine_answer(body, seed_of_choice(kSeed, i));
    const Json& choice = document["choices"][i];
    EXPECT_EQ(choice["index"], i);
    EXPECT_EQ(choice["message"]["content"], expected.text);
    texts.insert(expected.text);
    tokens += expected.usage.decode_tokens;
  }
  EXPECT_EQ(texts.size(), 3U);
  EXPECT_EQ(seed_of_choice(kSeed, 0), uint64_t{kSeed});
  EXPECT_EQ(document["choices"], again["choices"]);
  EXPECT_EQ(document["usage"]["completion_tokens"], tokens);
  EXPECT_EQ(document["usage"]["prompt_tokens"], tokenizer().encode(kHelloPrompt, false).size());
}

TEST_F(ChatCompletionsTest, StreamsSeveralChoicesByTheirIndex) {
  Json body = hello();
  body["n"] = 3;
  const Json whole = server_->post(kPath, body).json();
  body["stream"] = true;

  std::vector<std::string> texts(3);
  std::vector<int> ends(3);
  for (const Json& chunk : documents(server_->post(kPath, body))) {
    const Json& choice = chunk["choices"][0];
    const auto index = choice["index"].get<size_t>();
    if (choice["delta"].contains("content")) {
      texts.at(index) += choice["delta"]["content"].get<std::string>();
    }
    if (!choice["finish_reason"].is_null()) ++ends.at(index);
  }

  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(texts[i], whole["choices"][i]["message"]["content"]);
    EXPECT_EQ(ends[i], 1);
  }
}

TEST_F(ChatCompletionsTest, ChoicesShareThePagesOfTheirPrompt) {
  Json body = hello();
  body["cache_salt"] = "ChoicesShare";
  body["messages"][0]["content"] = std::string(350, 'x');
  body["n"] = 4;
  body["max_tokens"] = 60;
  body["ignore_eos"] = true;
  body["stream"] = true;
  const auto ids = server_->post("/tokenize", {{"messages", body["messages"]}}).json();
  const int64_t prompt = ids["count"].get<int64_t>();
  ASSERT_GT(prompt, 256);
  server_->idle_stats();

  auto outcome = server_->call("POST", kPath, body.dump());
  int64_t most_used = 0;
  auto& stream = std::get<std::unique_ptr<ReplyStream>>(outcome);
  const auto ready = std::make_shared<std::counting_semaphore<>>(0);
  stream->on_ready([ready] { ready->release(); });
  bool all_answer = false;
  std::string text;
  while (!stream->finished()) {
    ready->acquire();
    text += stream->poll();
    const EngineStats stats = server_->engine().stats();
    all_answer = all_answer || text.find("\"index\":3,\"delta\":{\"content\":\"") != text.npos;
    if (all_answer) most_used = std::max(most_used, stats.num_used_pages);
  }

  const int64_t full_pages = prompt / 256;
  const int64_t own_pages = (prompt % 256 + 60) / 256 + 1;
  ASSERT_TRUE(all_answer);
  EXPECT_GE(most_used, full_pages + 1);
  EXPECT_LE(most_used, full_pages + 4 * own_pages);
}

TEST_F(ChatCompletionsTest, EndsBeforeAStopString) {
  const std::string text = server_->post(kPath, hello()).json()["choices"][0]["message"]["content"];
  ASSERT_GT(text.size(), 12U);
  const std::string stop = text.substr(8, 3);
  const std::string expected = text.substr(0, text.find(stop));

  for (const Json& value : {Json(stop), Json::array({"never occurs", stop})}) {
    Json body = hello();
    body["stop"] = value;
    const Json choice = server_->post(kPath, body).json()["choices"][0];
    EXPECT_EQ(choice["message"]["content"], expected);
    EXPECT_EQ(choice["finish_reason"], "stop");
  }
}

TEST_F(ChatCompletionsTest, ReportsLogProbabilitiesOfEveryToken) {
  Json body = hello();
  body["logprobs"] = true;
  body["top_logprobs"] = 3;
  body["temperature"] = 0;
  body["max_tokens"] = 12;

  const Json document = server_->post(kPath, body).json();
  const Json& choice = document["choices"][0];
  const Json& content = choice["logprobs"]["content"];

  ASSERT_EQ(content.size(), document["usage"]["completion_tokens"]);
  std::string text;
  for (const Json& token : content) {
    text += token["token"].get<std::string>();
    const auto bytes = token["bytes"].get<std::vector<unsigned char>>();
    EXPECT_EQ(std::string(bytes.begin(), bytes.end()), token["token"]);
    ASSERT_EQ(token["top_logprobs"].size(), 3U);
    // Greedy: the token is the most probable one.
    EXPECT_EQ(token["top_logprobs"][0]["token"], token["token"]);
    EXPECT_EQ(token["top_logprobs"][0]["logprob"], token["logprob"]);
    double sum = 0.0;
    double last = 0.0;
    for (const Json& top : token["top_logprobs"]) {
      const auto logprob = top["logprob"].get<double>();
      EXPECT_LE(logprob, last);
      last = logprob;
      sum += std::exp(logprob);
    }
    EXPECT_LE(sum, 1.0 + 1e-5);
  }
  // The token that ends the answer is one of them, and no part of the text.
  ASSERT_EQ(choice["finish_reason"], "stop");
  EXPECT_EQ(text, choice["message"]["content"].get<std::string>() + "<|im_end|>");
}

TEST_F(ChatCompletionsTest, StreamsTheLogProbabilitiesOfTheWholeAnswer) {
  Json body = hello();
  body["logprobs"] = true;
  body["top_logprobs"] = 1;
  const Json whole = server_->post(kPath, body).json()["choices"][0]["logprobs"]["content"];
  body["stream"] = true;

  Json streamed = Json::array();
  for (const Json& chunk : documents(server_->post(kPath, body))) {
    const Json& logprobs = chunk["choices"][0]["logprobs"];
    if (logprobs.is_null()) continue;
    for (const Json& token : logprobs["content"]) streamed.push_back(token);
  }

  EXPECT_EQ(streamed, whole);
}

TEST_F(ChatCompletionsTest, LogitBiasForcesAToken) {
  const int32_t id = tokenizer().encode("x", false).at(0);
  Json body = hello();
  body["logit_bias"] = {{std::to_string(id), 100}};
  body["max_tokens"] = 3;

  const Json choice = server_->post(kPath, body).json()["choices"][0];

  EXPECT_EQ(choice["message"]["content"], tokenizer().decode(std::vector<int32_t>(3, id), true));
}

TEST_F(ChatCompletionsTest, MinTokensHoldsTheEndBack) {
  const int32_t end = tokenizer().token_to_id("<|im_end|>").value();
  Json body = hello();
  body["logit_bias"] = {{std::to_string(end), 100}};
  EXPECT_EQ(server_->post(kPath, body).json()["usage"]["completion_tokens"], 1);

  body["min_tokens"] = 5;

  const Json document = server_->post(kPath, body).json();
  EXPECT_EQ(document["usage"]["completion_tokens"], 6);
  EXPECT_EQ(document["choices"][0]["finish_reason"], "stop");
}

TEST_F(ChatCompletionsTest, TextPartsAreLinesOfOneMessage) {
  Json parts = hello();
  parts["messages"][0]["content"] =
      Json::parse(R"([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}])");
  Json text = hello();
  text["messages"][0]["content"] = "one\ntwo";

  EXPECT_EQ(
      server_->post("/apply-template", parts).json(), server_->post("/apply-template", text).json()
  );
}

TEST_F(ChatCompletionsTest, TakesEveryRole) {
  Json body = hello();
  body["messages"] = Json::parse(R"([
    {"role": "developer", "content": "be kind"},
    {"role": "user", "content": "what is 1 + 1?", "name": "ada"},
    {"role": "assistant", "content": null, "tool_calls": [
      {"id": "call_1", "type": "function",
       "function": {"name": "add", "arguments": "{\"b\": 1, \"a\": 1}"}}]},
    {"role": "tool", "tool_call_id": "call_1", "content": "2"}])");

  EXPECT_EQ(
      server_->post("/apply-template", body).json()["prompt"],
      "<|im_start|>system\nbe kind<|im_end|>\n<|im_start|>user\nwhat is 1 + 1?<|im_end|>\n"
      "<|im_start|>assistant\n"
      "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"b\": 1, \"a\": "
      "1}}\n</tool_call><|im_end|>\n"
      "<|im_start|>user\n<tool_response>\n2\n</tool_response><|im_end|>\n<|im_start|>assistant\n"
  );
  EXPECT_EQ(server_->post(kPath, body).status, 200);
}

TEST_F(ChatCompletionsTest, ContinuesTheLastMessage) {
  Json body = hello();
  body["messages"].push_back({{"role", "assistant"}, {"content", "I am fine, "}});
  body["continue_final_message"] = true;

  EXPECT_EQ(
      server_->post("/apply-template", body).json()["prompt"],
      std::string(kHelloPrompt) + "I am fine, "
  );
  EXPECT_EQ(server_->post(kPath, body).status, 200);

  body["messages"].erase(1);
  expect_error(
      server_->post(kPath, body), 400, "invalid_value", "continue_final_message", "assistant"
  );
}

TEST_F(ChatCompletionsTest, LeavesTheGenerationPromptOut) {
  Json body = hello();
  body["add_generation_prompt"] = false;
  EXPECT_EQ(
      server_->post("/apply-template", body).json()["prompt"],
      "<|im_start|>user\nHello! How are you today?<|im_end|>\n"
  );
}

TEST_F(ChatCompletionsTest, KnowsItsModelsByName) {
  Json body = hello();
  body["max_tokens"] = 1;
  body["model"] = "tiny-alias";
  EXPECT_EQ(server_->post(kPath, body).json()["model"], "tiny-alias");

  body["model"] = "gpt-9";
  expect_error(server_->post(kPath, body), 404, "model_not_found", "model", "\"tiny\"");
}

TEST_F(ChatCompletionsTest, RefusesAPromptThatIsTooLongWithTheFigures) {
  Json body = hello();
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "one two ";
  body["messages"][0]["content"] = text;

  const Answer answer = server_->post(kPath, body);

  expect_error(answer, 400, "context_length_exceeded", "messages");
  const auto count =
      server_->post("/tokenize", {{"messages", body["messages"]}}).json()["count"].get<int64_t>();
  EXPECT_THAT(answer.body, HasSubstr(std::to_string(count)));
  EXPECT_THAT(
      answer.body, HasSubstr(std::to_string(server_->engine().info().context_tokens) + " tokens")
  );
}

TEST_F(ChatCompletionsTest, RefusesByNameWhatItDoesNotDo) {
  const std::vector<std::pair<std::string, Json>> refused = {
      {"functions", Json::array({{{"name", "f"}}})},
      {"tfs", 0.9},
      {"mirostat_mode", 1},
      {"chat_template", "{{ messages }}"},
      {"skip_special_tokens", false},
  };
  for (const auto& [name, value] : refused) {
    Json body = hello();
    body[name] = value;
    expect_error(server_->post(kPath, body), 400, "unsupported", name, name);
  }
  Json body = hello();
  body["messages"][0]["content"] =
      Json::parse(R"([{"type": "image_url", "image_url": {"url": "data:"}}])");
  expect_error(
      server_->post(kPath, body), 400, "unsupported", "messages[0].content[0].type", "image_url"
  );
}

TEST_F(ChatCompletionsTest, ListsLogProbabilitiesOfThePrompt) {
  Json body = hello();
  body["prompt_logprobs"] = 2;
  const Json choice = server_->post(kPath, body).json()["choices"][0];
  const Json tokens = server_->post("/tokenize", {{"messages", body["messages"]}}).json()["tokens"];

  const Json& list = choice["prompt_logprobs"];
  ASSERT_EQ(list.size(), tokens.size());
  EXPECT_TRUE(list[0].is_null());
  for (size_t i = 1; i < list.size(); ++i) {
    const Json& entry = list[i][std::to_string(tokens[i].get<int32_t>())];
    EXPECT_LE(entry["logprob"].get<double>(), 0.0);
    EXPECT_TRUE(entry["decoded_token"].is_string());
    EXPECT_GE(list[i].size(), 2u);
    EXPECT_LE(list[i].size(), 3u);
  }
  body["stream"] = true;
  expect_error(server_->post(kPath, body), 400, "unsupported", "prompt_logprobs");
}

TEST_F(ChatCompletionsTest, NeverSaysABannedString) {
  Json body = hello();
  body["ignore_eos"] = true;
  const std::string free = server_->post(kPath, body).json()["choices"][0]["message"]["content"];
  body["banned_strings"] = {free.substr(0, 4), "E"};
  const std::string held = server_->post(kPath, body).json()["choices"][0]["message"]["content"];
  EXPECT_EQ(held.find(free.substr(0, 4)), std::string::npos);
  EXPECT_EQ(held.find('e'), std::string::npos);

  body["stream"] = true;
  std::string streamed;
  for (const Json& chunk : documents(server_->post(kPath, body))) {
    streamed += chunk["choices"][0]["delta"].value("content", "");
  }
  EXPECT_EQ(streamed, held);
  body["banned_strings"] = "E";
  EXPECT_EQ(server_->post(kPath, body).status, 200);
}

/// Holds for whatever the model would say: a grammar leaves nothing else.
TEST_F(ChatCompletionsTest, HoldsAnswersToWhatTheyMustLookLike) {
  const auto content = [&](const std::string& name, const Json& value) -> std::string {
    Json body = hello();
    body["max_tokens"] = 200;
    body["temperature"] = 1.5;
    body[name] = value;
    const Json choice = server_->post(kPath, body).json()["choices"][0];
    EXPECT_EQ(choice["finish_reason"], "stop") << name;
    return choice["message"]["content"];
  };
  const Json schema = Json::parse(R"({
    "type": "object", "additionalProperties": false, "required": ["age", "tags"],
    "properties": {"age": {"type": "integer", "minimum": 18, "maximum": 99},
                   "tags": {"type": "array", "maxItems": 2, "items": {"enum": ["a", "b"]}}}})");
  const auto expect_person = [](const std::string& text) {
    const Json person = Json::parse(text);
    EXPECT_EQ(person.size(), 2U) << text;
    EXPECT_GE(person["age"].get<int>(), 18) << text;
    EXPECT_LE(person["age"].get<int>(), 99) << text;
    EXPECT_LE(person["tags"].size(), 2U) << text;
  };
  expect_person(content(
      "response_format",
      {{"type", "json_schema"}, {"json_schema", {{"name", "p"}, {"schema", schema}}}}
  ));
  expect_person(content("guided_json", schema));
  expect_person(content("json_schema", schema.dump()));
  expect_person(content("structured_outputs", {{"json", schema}}));
  EXPECT_THAT(content("guided_choice", {"yes", "no"}), testing::AnyOf("yes", "no"));
  EXPECT_THAT(content("guided_regex", "[xy]{3}"), testing::MatchesRegex("[xy][xy][xy]"));
  EXPECT_THAT(content("structured_outputs", {{"regex", "q{2}"}}), "qq");
  EXPECT_THAT(
      content("guided_grammar", "start: \"left\" | \"right\""), testing::AnyOf("left", "right")
  );
}

TEST_F(ChatCompletionsTest, KeysComeInTheOrderOfTheSchema) {
  const std::string schema = R"({"type": "object", "additionalProperties": false,
    "required": ["zebra", "ant", "mole"], "properties": {"zebra": {"enum": [1]},
      "mole": {"enum": [2]}, "ant": {"enum": [3]}}})";
  const auto content = [&](const std::string& fields) {
    const Answer answer = server_->post_text(
        kPath,
        R"({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 200, )" + fields + "}"
    );
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.json()["choices"][0]["message"]["content"].get<std::string>();
  };
  const std::string expected = R"({"zebra": 1, "mole": 2, "ant": 3})";
  EXPECT_EQ(
      content(
          R"("response_format": {"type": "json_schema", "json_schema": {"schema": )" + schema + "}}"
      ),
      expected
  );
  EXPECT_EQ(content(R"("guided_json": )" + schema), expected);
  EXPECT_EQ(content(R"("structured_outputs": {"json": )" + schema + "}"), expected);
}

TEST_F(ChatCompletionsTest, RefusesAGrammarByTheNameOfItsField) {
  const auto refused = [&](const Json& fields, const std::string& name) {
    Json body = hello();
    body.update(fields);
    const Answer answer = server_->post(kPath, body);
    EXPECT_EQ(answer.status, 400) << answer.body;
    EXPECT_EQ(answer.json()["error"]["param"], name) << answer.body;
  };
  refused({{"guided_regex", "a("}}, "guided_regex");
  refused({{"structured_outputs", {{"grammar", "start: missing"}}}}, "structured_outputs.grammar");
  refused(
      {{"response_format", {{"type", "json_schema"}, {"json_schema", {{"schema", {{"type", 7}}}}}}}
      },
      "response_format.json_schema.schema"
  );
  refused({{"response_format", {{"type", "json_schema"}}}}, "response_format.json_schema");
  refused({{"response_format", {{"type", "xml"}}}}, "response_format.type");
  refused({{"guided_choice", Json::array()}}, "guided_choice");
  refused({{"guided_regex", "a"}, {"guided_choice", {"b"}}}, "guided_choice");
}

TEST_F(ChatCompletionsTest, TakesWhatClientsSendByDefault) {
  const Json ordinary = server_->post(kPath, hello()).json()["choices"];
  Json body = hello();
  body.update(Json::parse(R"({
    "response_format": {"type": "text"}, "tools": [], "tool_choice": "none", "n": 1,
    "presence_penalty": 0, "frequency_penalty": 0, "logit_bias": {}, "user": "ada", "stop": null,
    "tfs": 1, "top_a": 0, "smoothing_factor": 0.0, "banned_strings": [], "mirostat_mode": 0,
    "mirostat_tau": 5, "mirostat_eta": 0.1, "repetition_decay": 0, "top_k": -1, "typical": 1.0,
    "max_tokens": 24.0, "stream": false, "metadata": {"a": [1, {}]}, "parallel_tool_calls": true,
    "an_unknown_field": [[[]]]})"));

  const Answer answer = server_->post(kPath, body);

  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.json()["choices"], ordinary);
}

TEST_F(ChatCompletionsTest, DestroyingTheReplyFreesItsPages) {
  for (const bool stream : {false, true}) {
    Json body = hello();
    body["stream"] = stream;
    body["ignore_eos"] = true;
    body["n"] = 3;
    body.erase("max_tokens");
    const int64_t cancelled =
        server_->idle_stats().num_finished[static_cast<size_t>(FinishReason::kCancelled)];
    {
      const Outcome outcome = server_->call("POST", kPath, body.dump());
      for (int i = 0; i < 2000 && server_->engine().stats().num_used_pages < 3; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      EXPECT_GE(server_->engine().stats().num_used_pages, 3);
    }

    const EngineStats stats = server_->idle_stats();
    EXPECT_EQ(stats.num_used_pages, 0);
    EXPECT_EQ(stats.num_finished[static_cast<size_t>(FinishReason::kCancelled)], cancelled + 3);
  }
}

TEST_F(ChatCompletionsTest, ManyStreamsAtOnceAreEachTheirOwn) {
  std::vector<std::string> expected;
  std::vector<Outcome> outcomes;
  for (int i = 0; i < 12; ++i) {
    Json body = hello();
    body["seed"] = i;
    expected.push_back(server_->post(kPath, body).json()["choices"][0]["message"]["content"]);
  }
  for (int i = 0; i < 12; ++i) {
    Json body = hello();
    body["seed"] = i;
    body["stream"] = true;
    outcomes.push_back(server_->call("POST", kPath, body.dump()));
  }
  for (size_t i = 0; i < outcomes.size(); ++i) {
    std::string text;
    for (const Json& chunk : documents(TestServer::wait_for(std::move(outcomes[i])))) {
      text += chunk["choices"][0]["delta"].value("content", "");
    }
    EXPECT_EQ(text, expected[i]);
  }
}

}  // namespace
}  // namespace trellis::server
