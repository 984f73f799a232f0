// The endpoints that generate nothing.
#include "server/api_harness.h"

#include <gmock/gmock.h>

#include <map>
#include <set>
#include <sstream>

namespace trellis::server {
namespace {

class RoutesTest : public ApiTest {
 protected:
  /// The samples of /metrics, without the model's label.
  static std::map<std::string, double> samples() {
    const Answer answer = server_->get("/metrics");
    EXPECT_EQ(answer.status, 200);
    EXPECT_TRUE(answer.content_type.starts_with("text/plain; version=0.0.4"));
    std::map<std::string, double> result;
    std::istringstream lines(answer.body);
    const std::string label = "model_name=\"tiny\"";
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("# ")) continue;
      const size_t space = line.rfind(' ');
      std::string name = line.substr(0, space);
      const size_t at = name.find(label);
      EXPECT_NE(at, std::string::npos) << line;
      name.erase(at, label.size());
      EXPECT_TRUE(result.emplace(name, std::stod(line.substr(space + 1))).second) << line;
    }
    return result;
  }
};

TEST_F(RoutesTest, ListsItsModels) {
  const Json list = server_->get("/v1/models").json();
  EXPECT_EQ(list["object"], "list");
  ASSERT_EQ(list["data"].size(), 2U);
  EXPECT_EQ(list["data"][0]["id"], "tiny");
  EXPECT_EQ(list["data"][0]["created"], 1700000000);
  EXPECT_EQ(list["data"][0]["max_model_len"], server_->engine().info().context_tokens);
  EXPECT_EQ(server_->get("/v1/models/tiny-alias").json(), list["data"][1]);
  expect_error(server_->get("/v1/models/other"), 404, "model_not_found", "model");
  expect_error(server_->get("/v1/models/../../etc/passwd"), 404, "model_not_found", "model");
}

TEST_F(RoutesTest, TokenizesAndBack) {
  const std::string text = "Hello, w\u00f6rld! \U0001F600";
  const std::vector<int32_t> ids = tokenizer().encode(text, true);

  const Json tokens =
      server_->post("/tokenize", {{"prompt", text}, {"return_token_strs", true}}).json();

  EXPECT_EQ(tokens["tokens"], ids);
  EXPECT_EQ(tokens["count"], ids.size());
  EXPECT_EQ(tokens["token_strs"].size(), ids.size());
  EXPECT_EQ(server_->post("/detokenize", {{"tokens", ids}}).json()["prompt"], text);
  EXPECT_EQ(server_->post("/tokenize", {{"content", text}}).json()["tokens"], ids);
}

TEST_F(RoutesTest, TokenizesAConversationAsTheModelSeesIt) {
  const Json messages = Json::parse(R"([{"role": "user", "content": "hi"}])");
  const std::string text = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n";

  EXPECT_EQ(server_->post("/apply-template", {{"messages", messages}}).json()["prompt"], text);
  const Json tokens = server_->post("/tokenize", {{"messages", messages}}).json();
  EXPECT_EQ(tokens["tokens"], tokenizer().encode(text, false));
  EXPECT_EQ(server_->post("/detokenize", {{"tokens", tokens["tokens"]}}).json()["prompt"], text);
  const Json shown =
      server_->post(
                 "/detokenize", {{"tokens", tokens["tokens"]}, {"skip_special_tokens", true}}
      ).json();
  EXPECT_EQ(shown["prompt"], "user\nhi\nassistant\n");
  expect_error(
      server_->post("/tokenize", {{"messages", messages}, {"prompt", "hi"}}), 400,
      "missing_required_parameter", "prompt", "either"
  );
  expect_error(
      server_->post("/tokenize", Json::object()), 400, "missing_required_parameter", "prompt"
  );
}

TEST_F(RoutesTest, IsHealthyAndReady) {
  EXPECT_EQ(server_->get("/health").json(), Json::parse(R"({"status": "ok", "live": true})"));
  EXPECT_EQ(server_->get("/ready").json(), Json::parse(R"({"ready": true, "state": "ready"})"));
}

TEST_F(RoutesTest, MetricsCountWhatWasDone) {
  server_->idle_stats();
  const std::map<std::string, double> before = samples();
  const Json usage =
      server_
          ->post(
              "/v1/completions",
              {{"prompt", "Once upon"}, {"max_tokens", 7}, {"ignore_eos", true}, {"n", 2}}
          )
          .json()["usage"];
  server_->idle_stats();
  const std::map<std::string, double> after = samples();
  const auto grown = [&](const std::string& name) {
    return after.at("trellis:" + name) - before.at("trellis:" + name);
  };

  EXPECT_EQ(grown("generation_tokens_total{}"), 14);
  // Each choice reads the prompt, though usage counts it once.
  EXPECT_EQ(grown("prompt_tokens_total{}"), 2 * usage["prompt_tokens"].get<double>());
  EXPECT_EQ(grown("request_success_total{,finished_reason=\"length\"}"), 2);
  EXPECT_EQ(grown("time_to_first_token_seconds_count{}"), 2);
  EXPECT_EQ(grown("inter_token_latency_seconds_count{}"), 12);
  EXPECT_EQ(grown("e2e_request_latency_seconds_count{}"), 2);
  EXPECT_GT(grown("e2e_request_latency_seconds_sum{}"), 0);
  EXPECT_EQ(after.at("trellis:num_requests_running{}"), 0);
  EXPECT_EQ(after.at("trellis:num_requests_waiting{}"), 0);
  EXPECT_EQ(after.at("trellis:kv_cache_usage_perc{}"), 0);
  EXPECT_EQ(after.at("trellis:kv_cache_pages{}"), 8192 / 256);
  EXPECT_EQ(after.at("trellis:engine_up{}"), 1);
  // Buckets are cumulative.
  EXPECT_EQ(
      after.at("trellis:inter_token_latency_seconds_bucket{,le=\"+Inf\"}"),
      after.at("trellis:inter_token_latency_seconds_count{}")
  );
  EXPECT_LE(
      after.at("trellis:inter_token_latency_seconds_bucket{,le=\"0.0025\"}"),
      after.at("trellis:inter_token_latency_seconds_bucket{,le=\"0.005\"}")
  );
}

TEST_F(RoutesTest, OpenapiDescribesEveryRouteAndNoOther) {
  const Json document = server_->get("/openapi.json").json();
  EXPECT_EQ(document["openapi"], "3.1.0");
  std::set<std::string> described;
  for (const auto& [path, operations] : document["paths"].items()) {
    for (const auto& [method, operation] : operations.items()) described.insert(method + path);
  }
  std::set<std::string> served;
  for (const Route& route : server_->routes()) {
    std::string name = route.method == "POST" ? "post" : "get";
    name += route.path;
    if (name.ends_with("/*")) name.replace(name.size() - 1, 1, "{id}");
    served.insert(name);
  }
  EXPECT_EQ(described, served);
}

TEST_F(RoutesTest, OpenapiRefersOnlyToWhatIsThere) {
  const Json document = server_->get("/openapi.json").json();
  const Json flat = document.flatten();
  int num_refs = 0;
  for (const auto& [path, value] : flat.items()) {
    if (!path.ends_with("/$ref")) continue;
    const std::string target = value.get<std::string>().substr(1);
    EXPECT_TRUE(document.contains(Json::json_pointer(target))) << target;
    ++num_refs;
  }
  EXPECT_GT(num_refs, 10);
  const Json& chat = document["components"]["schemas"]["ChatRequest"];
  EXPECT_EQ(chat["required"], Json::array({"messages"}));
  EXPECT_EQ(chat["properties"]["temperature"]["anyOf"][0]["maximum"], 100.0);
}

}  // namespace
}  // namespace trellis::server
