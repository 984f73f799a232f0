// Several models behind one server: which one answers, and what administrators do with them.
#include "base/temporary_directory.h"
#include "server/api_harness.h"

#include <gmock/gmock.h>

namespace trellis::server {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kCompletions = "/v1/completions";

Json greedy(const std::string& model) {
  return {{"model", model}, {"prompt", "Once upon a"}, {"max_tokens", 12}, {"temperature", 0}};
}

std::string text_of(const Answer& answer) {
  return answer.json()["choices"][0]["text"].get<std::string>();
}

/// Two models that answer differently, and one that is broken.
class ModelRoutesTest : public testing::Test {
 protected:
  ModelRoutesTest() {
    copy("tiny-1m-exl3-3.0bpw", "quantized");
    copy("tiny-1m", "plain");
    std::filesystem::create_directories(folder_.path() / "broken");
    folder_.write("broken/config.json", "{\"architectures\": 3}");
  }

  void copy(const std::string& model, const std::string& name) const {
    std::filesystem::copy(
        kModelsFolder + model, folder_.path() / name, std::filesystem::copy_options::recursive
    );
  }
  ModelPoolOptions options() const {
    ModelPoolOptions options;
    options.engine = tiny_options();
    options.engine.model_directory.clear();
    options.engine.context_tokens = 512;
    options.engine.cache_tokens = 2048;
    options.directory = folder_.path().string();
    return options;
  }
  size_t need_of(const std::string& name) const {
    EngineOptions engine = options().engine;
    engine.model_directory = (folder_.path() / name).string();
    return make_model_loader()->plan(engine, 0);
  }
  /// What /v1/model/list says of a model.
  static Json listed(TestServer& server, const std::string& name) {
    const Json list = server.get("/v1/model/list").json();
    for (const Json& model : list["data"]) {
      if (model["id"] == name) return model;
    }
    ADD_FAILURE() << name << " is not listed";
    return {};
  }
  /// Answers of the model that take their time, begun.
  static Outcome begin_stream(TestServer& server, const std::string& name, int num_choices) {
    EXPECT_EQ(server.post(kCompletions, greedy(name)).status, 200);
    Json body = greedy(name);
    body["stream"] = true;
    body["ignore_eos"] = true;
    body["n"] = num_choices;
    body["max_tokens"] = 400;
    return server.call("POST", kCompletions, body.dump());
  }

  TemporaryDirectory folder_;
};

TEST_F(ModelRoutesTest, EachAnswersForItself) {
  TestServer server(options());
  EngineOptions plain = options().engine;
  plain.model_directory = kModelsFolder + "tiny-1m";
  EngineOptions quantized = plain;
  quantized.model_directory = kModelsFolder + "tiny-1m-exl3-3.0bpw";
  const std::string plain_text = text_of(TestServer(plain).post(kCompletions, greedy("tiny")));
  const std::string quantized_text =
      text_of(TestServer(quantized).post(kCompletions, greedy("tiny")));

  const Answer first = server.post(kCompletions, greedy("plain"));
  const Answer second = server.post(kCompletions, greedy("quantized"));

  EXPECT_EQ(text_of(first), plain_text);
  EXPECT_EQ(text_of(second), quantized_text);
  EXPECT_EQ(first.json()["model"], "plain");
  EXPECT_EQ(second.json()["model"], "quantized");
  EXPECT_NE(first.json()["system_fingerprint"], second.json()["system_fingerprint"]);
}

TEST_F(ModelRoutesTest, ListsAllWithTheirStates) {
  TestServer server(options());
  server.post(kCompletions, greedy("plain"));

  const Json users = server.get("/v1/models").json()["data"];
  ASSERT_EQ(users.size(), 3U);
  EXPECT_EQ(users[0]["id"], "broken");
  EXPECT_EQ(users[0]["max_model_len"], nullptr);
  EXPECT_EQ(users[1]["id"], "plain");
  EXPECT_EQ(users[1]["state"], "ready");
  EXPECT_EQ(users[1]["max_model_len"], 512);
  EXPECT_EQ(users[2]["id"], "quantized");
  EXPECT_EQ(users[2]["state"], "available");
  EXPECT_EQ(users[2]["max_model_len"], 512);

  const Json plain = listed(server, "plain");
  EXPECT_EQ(plain["memory_bytes"], need_of("plain"));
  EXPECT_EQ(plain["running_requests"], 0);
  EXPECT_EQ(plain["loads"], 1);
  EXPECT_EQ(plain["format"], "dense");
  EXPECT_GT(plain["last_used"], 1700000000);
  const Json quantized = listed(server, "quantized");
  EXPECT_EQ(quantized["format"], "exl3");
  EXPECT_EQ(quantized["bits"], 3.0);
  EXPECT_EQ(quantized["architecture"], "LlamaForCausalLM");
  EXPECT_EQ(quantized["memory_bytes"], 0);
  EXPECT_EQ(quantized["last_used"], nullptr);
}

TEST_F(ModelRoutesTest, FirstRequestsAtOnceLoadOnce) {
  TestServer server(options());
  std::vector<Outcome> outcomes;
  for (int i = 0; i < 4; ++i) {
    outcomes.push_back(server.call("POST", kCompletions, greedy("plain").dump()));
  }

  std::vector<std::string> texts;
  for (Outcome& outcome : outcomes) {
    texts.push_back(text_of(TestServer::wait_for(std::move(outcome))));
  }

  EXPECT_THAT(texts, testing::Each(texts.front()));
  EXPECT_EQ(listed(server, "plain")["loads"], 1);
}

TEST_F(ModelRoutesTest, NamesAreChecked) {
  TestServer server(options());
  Json body = greedy("none");
  expect_error(server.post(kCompletions, body), 404, "model_not_found", "model", "\"none\"");
  for (const std::string& name :
       {std::string("../plain"), (folder_.path() / "plain").string(), std::string("plain/"),
        std::string("plain\0", 6), std::string("./plain")}) {
    body["model"] = name;
    expect_error(server.post(kCompletions, body), 404, "model_not_found", "model");
  }
  expect_error(server.get("/v1/models/../plain"), 404, "model_not_found", "model");
  body["model"] = 5;
  expect_error(server.post(kCompletions, body), 400, "invalid_type", "model");
  body["model"] = nullptr;
  expect_error(
      server.post(kCompletions, body), 400, "missing_required_parameter", "model", "\"broken\""
  );
  body["model"] = "";
  expect_error(server.post(kCompletions, body), 400, "missing_required_parameter", "model");
  EXPECT_EQ(listed(server, "plain")["loads"], 0);
}

TEST_F(ModelRoutesTest, AModelThatIsBrokenFailsItsOwnRequests) {
  TestServer server(options());

  const Answer answer = server.post(kCompletions, greedy("broken"));
  const Answer message = server.post(
      "/v1/messages", {{"model", "broken"},
                       {"max_tokens", 3},
                       {"messages", Json::parse(R"([{"role": "user", "content": "hi"}])")}}
  );

  EXPECT_EQ(answer.status, 503);
  const Json error = answer.json()["error"];
  EXPECT_EQ(error["code"], "model_load_failed");
  EXPECT_EQ(error["param"], "model");
  EXPECT_THAT(error["message"].get<std::string>(), HasSubstr("broken/config.json"));
  EXPECT_THAT(error["message"].get<std::string>(), Not(HasSubstr(folder_.path().string())));
  EXPECT_EQ(message.status, 503);
  EXPECT_EQ(message.json()["type"], "error");
  EXPECT_EQ(message.json()["error"]["code"], "model_load_failed");
  EXPECT_EQ(server.post(kCompletions, greedy("plain")).status, 200);
  EXPECT_EQ(listed(server, "broken")["state"], "failed");
  EXPECT_THAT(listed(server, "broken")["error"].get<std::string>(), HasSubstr("architectures"));
  EXPECT_EQ(server.get("/health").status, 200);
  EXPECT_EQ(server.get("/ready").status, 200);
}

TEST_F(ModelRoutesTest, ALoadMayFailBeforeItsRequestLooks) {
  ModelPoolOptions each_tries = options();
  each_tries.retry = std::chrono::seconds(0);
  TestServer server(each_tries);

  for (int i = 0; i < 2000; ++i) {  // the load's thread overtakes some of them
    const Answer answer = server.post(kCompletions, greedy("broken"));
    ASSERT_EQ(answer.status, 503);
    ASSERT_EQ(answer.json()["error"]["code"], "model_load_failed");
  }
}

TEST_F(ModelRoutesTest, LoadsWithProgress) {
  TestServer server(options());

  const Answer answer = server.post("/v1/model/load", {{"model", "plain"}, {"max_sequences", 3}});

  const std::vector<Json> events = documents(answer);
  ASSERT_FALSE(events.empty());
  double last = 0.0;
  for (const Json& event : events) {
    EXPECT_EQ(event["model"], "plain");
    EXPECT_GE(event["progress"].get<double>(), last);
    last = event["progress"].get<double>();
  }
  EXPECT_EQ(events.back()["state"], "ready");
  EXPECT_EQ(events.back()["progress"], 1.0);
  EXPECT_EQ(events.back()["done_bytes"], events.back()["total_bytes"]);
  EXPECT_GT(events.back()["memory_bytes"], 1'000'000);
  const Answer again = server.post("/v1/model/load", {{"model", "plain"}, {"stream", false}});
  EXPECT_EQ(again.json()["state"], "ready");
  EXPECT_FALSE(again.streamed);
  EXPECT_EQ(listed(server, "plain")["loads"], 1);
  const Answer other = server.post("/v1/model/load", {{"model", "plain"}, {"cache_type", "q8"}});
  expect_error(other, 409, "model_is_loaded", "model", "unload it first");
}

TEST_F(ModelRoutesTest, ALoadThatFailsSaysSoInItsStream) {
  TestServer server(options());

  const Answer streamed = server.post("/v1/model/load", {{"model", "broken"}});
  const Answer whole = server.post("/v1/model/load", {{"model", "broken"}, {"stream", false}});

  EXPECT_THAT(streamed.body, HasSubstr("\"code\":\"model_load_failed\""));
  EXPECT_THAT(streamed.body, Not(HasSubstr("[DONE]")));
  EXPECT_EQ(whole.status, 503);
  EXPECT_EQ(whole.json()["error"]["code"], "model_load_failed");
}

TEST_F(ModelRoutesTest, FieldsOfLoadsAreChecked) {
  TestServer server(options());
  const auto load = [&](const Json& body) { return server.post("/v1/model/load", body); };

  expect_error(load(Json::object()), 400, "missing_required_parameter", "model");
  expect_error(load({{"model", ""}}), 400, "invalid_value", "model");
  expect_error(load({{"model", 1}}), 400, "invalid_type", "model");
  expect_error(load({{"model", "../plain"}}), 404, "model_not_found", "model");
  expect_error(
      load({{"model", "plain"}, {"cache_type", "q9"}}), 400, "invalid_value", "cache_type"
  );
  expect_error(
      load({{"model", "plain"}, {"cache_tokens", "many"}}), 400, "invalid_type", "cache_tokens"
  );
  expect_error(
      load({{"model", "plain"}, {"max_sequences", 0}}), 400, "invalid_value", "max_sequences"
  );
  expect_error(
      server.post("/v1/model/unload", {{"model", "plain"}, {"force", 1}}), 400, "invalid_type",
      "force"
  );
  EXPECT_EQ(load({{"model", "plain"}, {"stream", false}, {"unknown", 1}}).status, 200);
}

TEST_F(ModelRoutesTest, OptionsOfALoadAreTheModels) {
  TestServer server(options());
  server.post("/v1/model/load", {{"model", "plain"}, {"cache_tokens", 1024}, {"cache_type", "q8"}});
  server.post(kCompletions, greedy("plain"));
  server.post(kCompletions, greedy("plain"));

  const Json caches = server.get("/v1/cache").json()["data"];

  ASSERT_EQ(caches.size(), 1U);
  EXPECT_EQ(caches[0]["model"], "plain");
  EXPECT_EQ(caches[0]["pages"], 1024 / 256);
  EXPECT_EQ(caches[0]["cache_type"], "q8");
  EXPECT_GE(caches[0]["cached_pages"], 1);
  EXPECT_GT(caches[0]["prompt_tokens"], 0);
  EXPECT_EQ(
      caches[0]["hit_rate"],
      caches[0]["cached_tokens"].get<double>() / caches[0]["prompt_tokens"].get<double>()
  );
  EXPECT_GT(caches[0]["hit_rate"], 0.2) << "the second prompt is the first";
  EXPECT_EQ(caches[0]["host"]["capacity_bytes"], 0);
}

TEST_F(ModelRoutesTest, TheBudgetHoldsOneAtATime) {
  ModelPoolOptions small = options();
  small.memory_bytes = need_of("plain") + need_of("quantized") / 2;
  TestServer server(std::move(small));
  const std::string first = text_of(server.post(kCompletions, greedy("plain")));

  server.post(kCompletions, greedy("quantized"));
  EXPECT_EQ(listed(server, "plain")["state"], "available");
  EXPECT_EQ(listed(server, "plain")["unloads"], 1);
  EXPECT_EQ(listed(server, "quantized")["state"], "ready");

  EXPECT_EQ(text_of(server.post(kCompletions, greedy("plain"))), first);
  EXPECT_EQ(listed(server, "plain")["loads"], 2);
  EXPECT_EQ(listed(server, "quantized")["state"], "available");
}

TEST_F(ModelRoutesTest, AModelLargerThanTheBudgetIsRefused) {
  ModelPoolOptions small = options();
  small.memory_bytes = 1 << 20;
  TestServer server(std::move(small));

  const Answer answer = server.post(kCompletions, greedy("plain"));

  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.json()["error"]["code"], "insufficient_memory");
  EXPECT_THAT(answer.json()["error"]["message"].get<std::string>(), HasSubstr("1.0 MiB are free"));
}

TEST_F(ModelRoutesTest, AnUnloadLetsAStreamFinish) {
  TestServer server(options());
  Outcome stream = begin_stream(server, "plain", 1);
  EXPECT_EQ(listed(server, "plain")["running_requests"], 1);

  Outcome unload = server.call("POST", "/v1/model/unload", R"({"model": "plain"})");
  EXPECT_EQ(listed(server, "plain")["state"], "unloading");
  const std::vector<Json> chunks = documents(TestServer::wait_for(std::move(stream)));

  EXPECT_EQ(chunks.back()["choices"][0]["finish_reason"], "length");
  const Answer unloaded = TestServer::wait_for(std::move(unload));
  EXPECT_EQ(unloaded.json(), Json::parse(R"({"model": "plain", "state": "available"})"));
  EXPECT_EQ(listed(server, "plain")["state"], "available");
  EXPECT_EQ(server.post(kCompletions, greedy("plain")).status, 200) << "it is loaded again";
}

TEST_F(ModelRoutesTest, AForcedUnloadEndsAStreamWithAnError) {
  TestServer server(options());
  Outcome stream = begin_stream(server, "plain", 8);

  Outcome unload = server.call("POST", "/v1/model/unload", R"({"model": "plain", "force": true})");
  const Answer answer = TestServer::wait_for(std::move(stream));

  EXPECT_THAT(answer.body, HasSubstr("the engine was shut down"));
  EXPECT_THAT(answer.body, Not(HasSubstr("[DONE]")));
  EXPECT_EQ(TestServer::wait_for(std::move(unload)).json()["state"], "available");
}

TEST_F(ModelRoutesTest, MetricsHaveEachModelsName) {
  TestServer server(options());
  server.post(kCompletions, greedy("plain"));
  server.post(kCompletions, greedy("quantized"));

  const std::string metrics = server.get("/metrics").body;

  for (const char* name : {"plain", "quantized"}) {
    EXPECT_THAT(
        metrics, HasSubstr(fmt::format("trellis:engine_up{{model_name=\"{}\"}} 1\n", name))
    );
    EXPECT_THAT(
        metrics,
        HasSubstr(fmt::format("trellis:generation_tokens_total{{model_name=\"{}\"}} 12\n", name))
    );
    EXPECT_THAT(
        metrics, HasSubstr(fmt::format("trellis:model_loads_total{{model_name=\"{}\"}} 1\n", name))
    );
  }
  EXPECT_THAT(metrics, HasSubstr("trellis:model_loaded{model_name=\"broken\"} 0\n"));
  EXPECT_THAT(metrics, Not(HasSubstr("trellis:engine_up{model_name=\"broken\"}")));
  // A family stands once, with the samples of all models behind it.
  const std::string family = "# TYPE trellis:engine_up gauge";
  EXPECT_EQ(metrics.find(family), metrics.rfind(family));
}

}  // namespace
}  // namespace trellis::server
