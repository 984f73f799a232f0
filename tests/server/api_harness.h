// What the tests of endpoints share: a server without sockets on a small trained model.
#pragma once

#include "base/json.h"
#include "server/routes.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

namespace trellis::server {

inline const std::string kModelsFolder = TRELLIS_SOURCE_DIR "/tests/data/models/";
/// A request's seed, where a test wants the same answer twice.
inline constexpr int kSeed = 42;

/// One answer, however it came.
struct Answer {
  int status = 200;
  std::string content_type;
  std::string body;  // of a stream: all its events
  bool streamed = false;
  std::optional<AnswerFigures> figures;

  Json json() const { return Json::parse(body); }
};

/// Calls routes as the transport does. Each wait for on_ready(); one that does not come hangs.
class TestServer {
 public:
  explicit TestServer(const EngineOptions& options) : TestServer(Engine::load(options)) {}
  /// The engine is borrowed.
  explicit TestServer(Engine& engine)
      : TestServer(std::shared_ptr<Engine>(&engine, [](Engine*) {})) {}
  explicit TestServer(std::shared_ptr<Engine> engine)
      : engine_(std::move(engine)),
        loader_(make_model_loader()),
        models_({}, *loader_),
        context_{models_, 1700000000, "1.2.3"},
        routes_(make_routes(context_)) {
    models_.add({"tiny", "tiny-alias"}, "", engine_);
  }

  /// Of several models.
  explicit TestServer(ModelPoolOptions options)
      : loader_(make_model_loader()),
        models_(std::move(options), *loader_),
        context_{models_, 1700000000, "1.2.3"},
        routes_(make_routes(context_)) {}

  Outcome call(const std::string& method, const std::string& path, const std::string& body = "") {
    ApiRequest request;
    request.method = method;
    request.path = path;
    request.body = body;
    for (const Route& route : routes_) {
      const bool is_prefix = route.path.ends_with("/*");
      const std::string prefix = route.path.substr(0, route.path.size() - (is_prefix ? 1 : 0));
      const bool matches = is_prefix ? path.starts_with(prefix) : path == prefix;
      if (matches && route.method == method) return route.handler(request);
    }
    ADD_FAILURE() << "no route " << method << " " << path;
    return Reply{};
  }

  static Answer wait_for(Outcome outcome) {
    if (auto* reply = std::get_if<Reply>(&outcome)) {
      return {reply->status, reply->content_type, reply->body, false, reply->figures};
    }
    // wake() may come once more after the end of what it belongs to.
    const auto ready = std::make_shared<std::counting_semaphore<>>(0);
    const auto wake = [ready] { ready->release(); };
    if (auto* waiting = std::get_if<std::unique_ptr<PendingOutcome>>(&outcome)) {
      (*waiting)->on_ready(wake);
      while (!(*waiting)->is_ready() && ready->try_acquire_until((*waiting)->deadline())) {
      }
      return wait_for((*waiting)->begin());
    }
    Answer answer;
    if (auto* pending = std::get_if<std::unique_ptr<PendingReply>>(&outcome)) {
      (*pending)->on_ready(wake);
      while (true) {
        ready->acquire();
        if (auto reply = (*pending)->poll()) {
          return {reply->status, reply->content_type, reply->body, false, reply->figures};
        }
      }
    }
    auto& stream = std::get<std::unique_ptr<ReplyStream>>(outcome);
    stream->on_ready(wake);
    answer.streamed = true;
    while (!stream->finished()) {
      ready->acquire();
      answer.body += stream->poll();
    }
    answer.figures = stream->figures();
    return answer;
  }

  Answer get(const std::string& path) { return wait_for(call("GET", path)); }
  Answer post(const std::string& path, const Json& body) {
    return wait_for(call("POST", path, body.dump()));
  }
  Answer post_text(const std::string& path, const std::string& body) {
    return wait_for(call("POST", path, body));
  }

  /// Waits until nothing runs or waits.
  EngineStats idle_stats() const {
    EngineStats stats = engine_->stats();
    for (int i = 0; i < 2000 && stats.num_running + stats.num_waiting > 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      stats = engine_->stats();
    }
    return stats;
  }

  Engine& engine() { return *engine_; }
  ModelPool& models() { return models_; }
  const std::vector<Route>& routes() const { return routes_; }

 private:
  std::shared_ptr<Engine> engine_;  // null: of several models
  std::unique_ptr<ModelLoader> loader_;
  ModelPool models_;
  ServerContext context_;
  std::vector<Route> routes_;
};

inline EngineOptions tiny_options(const std::string& model = "tiny-1m-exl3-3.0bpw") {
  EngineOptions options;
  options.model_directory = kModelsFolder + model;
  options.backend = "cpu";
  options.num_threads = 2;
  options.cache_tokens = 8192;
  options.max_sequences = 8;
  return options;
}

/// One server for all tests of a suite.
class ApiTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = new TestServer(tiny_options()); }
  static void TearDownTestSuite() {
    delete server_;
    server_ = nullptr;
  }
  static const Tokenizer& tokenizer() { return server_->engine().tokenizer(); }

  inline static TestServer* server_ = nullptr;
};

/// The documents of a stream's events, without the closing [DONE], which must be the last.
inline std::vector<Json> documents(const Answer& answer) {
  EXPECT_TRUE(answer.streamed);
  std::vector<Json> result;
  std::string rest = answer.body;
  while (!rest.empty()) {
    const size_t end = rest.find("\n\n");
    const std::string event = rest.substr(0, end);
    EXPECT_NE(end, std::string::npos) << event;
    EXPECT_TRUE(event.starts_with("data: ")) << event;
    rest.erase(0, end == std::string::npos ? end : end + 2);
    if (event == "data: [DONE]") {
      EXPECT_TRUE(rest.empty()) << "events after [DONE]: " << rest;
      return result;
    }
    result.push_back(Json::parse(event.substr(6)));
  }
  ADD_FAILURE() << "no [DONE] in " << answer.body;
  return result;
}

/// Checks an error of OpenAI's shape.
inline void expect_error(
    const Answer& answer, int status, const std::string& code, const std::string& param,
    const std::string& message_part = ""
) {
  ASSERT_EQ(answer.status, status) << answer.body;
  const Json error = answer.json().at("error");
  EXPECT_EQ(error.at("code"), code) << answer.body;
  const Json expected_param = param.empty() ? Json(nullptr) : Json(param);
  EXPECT_EQ(error.at("param"), expected_param) << answer.body;
  EXPECT_NE(error.at("message").get<std::string>().find(message_part), std::string::npos)
      << answer.body;
  EXPECT_EQ(error.at("type"), status == 404 ? "not_found_error" : "invalid_request_error");
}

}  // namespace trellis::server
