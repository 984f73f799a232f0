// The client of load tests, against a server whose answers the test plays.
#include "apps/trellis/bench_serve/load_client.h"

#include "base/error.h"
#include "server/raw_client.h"
#include "server/scripted_replies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>

namespace trellis {
namespace {

using namespace std::chrono_literals;
using server::ApiRequest;
using server::Outcome;
using server::Reply;
using server::Route;
using server::RunningServer;
using server::Script;

constexpr const char* kPath = "/v1/completions";
constexpr const char* kText = "data: {\"choices\": [{\"text\": \"a\"}]}\n\n";
constexpr const char* kEnd =
    "data: {\"choices\": [], \"usage\": {\"prompt_tokens\": 7, \"completion_tokens\": 5}}\n\n"
    "data: [DONE]\n\n";

Route reply_route(int status, const std::string& body, const char* type = "application/json") {
  return {"POST", kPath, server::Access::kUser, [=](const ApiRequest&) -> Outcome {
            Reply reply;
            reply.status = status;
            reply.content_type = type;
            reply.body = body;
            return reply;
          }};
}

LoadOptions options_for(uint16_t port) {
  LoadOptions options;
  options.url = parse_server_url("http://127.0.0.1:" + std::to_string(port));
  options.timeout = 10s;
  return options;
}

std::vector<PlannedRequest> plan_of(std::vector<double> arrivals) {
  std::vector<PlannedRequest> plan;
  for (const double arrival : arrivals) plan.push_back({arrival, kPath, "{}"});
  return plan;
}

void ignore(size_t) {}

TEST(LoadClient, CountsWhatAnswersBring) {
  RunningServer server({}, {reply_route(200, std::string(kText) + kText + kEnd)});
  LoadClient client(options_for(server.port()));

  const auto records = client.run(plan_of({0, 0, 0.01}), ignore);

  ASSERT_EQ(records.size(), 3U);
  for (const RequestRecord& record : records) {
    EXPECT_TRUE(record.completed) << record.error;
    EXPECT_EQ(record.prompt_tokens, 7);
    EXPECT_EQ(record.output_tokens, 5);
    EXPECT_EQ(record.text_s.size(), 2U);
    EXPECT_GE(record.sent_s, record.arrival_s);
    EXPECT_GE(record.text_s.front(), record.sent_s);
    EXPECT_GE(record.end_s, record.text_s.back());
  }
}

TEST(LoadClient, SendsTheBodyTheKeyAndThePrefix) {
  std::mutex mutex;
  ApiRequest seen;
  const Route route = {
      "POST", "/proxy/v1/completions", server::Access::kUser,
      [&](const ApiRequest& request) -> Outcome {
        const std::lock_guard lock(mutex);
        seen = request;
        Reply reply;
        reply.body = kEnd;
        return reply;
      }
  };
  RunningServer server({}, {route});
  LoadOptions options = options_for(server.port());
  options.url.prefix = "/proxy";
  options.api_key = "secret";
  LoadClient client(options);

  const auto records = client.run({{0, kPath, "{\"prompt\": \"x\"}"}}, ignore);

  EXPECT_TRUE(records[0].completed) << records[0].error;
  const std::lock_guard lock(mutex);
  EXPECT_EQ(seen.body, "{\"prompt\": \"x\"}");
  EXPECT_EQ(seen.headers["authorization"], "Bearer secret");
  EXPECT_EQ(seen.headers["content-type"], "application/json");
}

/// An open loop: no answer ends before all requests are there.
TEST(LoadClient, DoesNotWaitForAnswersBeforeItSendsMore) {
  std::mutex mutex;
  std::vector<std::shared_ptr<Script>> scripts;
  const Route route = {"POST", kPath, server::Access::kUser, [&](const ApiRequest&) -> Outcome {
                         const std::lock_guard lock(mutex);
                         scripts.push_back(std::make_shared<Script>());
                         scripts.back()->put(std::string(kText) + kEnd);
                         auto stream = std::make_unique<server::ScriptedStream>(scripts.back());
                         if (scripts.size() == 3) {
                           for (const auto& script : scripts) script->finish();
                         }
                         return stream;
                       }};
  RunningServer server({}, {route});
  LoadClient client(options_for(server.port()));

  const auto records = client.run(plan_of({0, 0.01, 0.02}), ignore);

  EXPECT_GE(records[2].sent_s, 0.02);
  EXPECT_GE(records[0].end_s, records[2].sent_s);
  for (const RequestRecord& record : records) EXPECT_TRUE(record.completed) << record.error;
}

TEST(LoadClient, HoldsBackWhatIsAboveTheCapAndCountsItsWaiting) {
  const auto script = std::make_shared<Script>();
  script->put(std::string(kText) + kEnd);
  RunningServer server({}, {stream_route(kPath, script)});
  LoadOptions options = options_for(server.port());
  options.concurrency = 1;
  LoadClient client(options);
  int calls = 0;

  const auto records = client.run(plan_of({0, 0}), [&](size_t) {
    if (++calls == 2) script->finish();
  });

  EXPECT_EQ(records[1].arrival_s, 0);
  EXPECT_GE(records[1].sent_s, records[0].end_s);
  EXPECT_GE(records[0].end_s, 0.1) << "it was held for one interval of progress";
}

TEST(LoadClient, NamesFailures) {
  const auto kind = [](const LoadOptions& options) {
    LoadClient client(options);
    const auto records = client.run(plan_of({0}), ignore);
    EXPECT_FALSE(records[0].completed);
    return records[0].error;
  };
  const auto script = std::make_shared<Script>();
  RunningServer busy({}, {reply_route(429, R"({"error": {"code": "overloaded"}})")});
  RunningServer short_of_end({}, {reply_route(200, kText)});
  RunningServer silent({}, {stream_route(kPath, script)});
  uint16_t closed_port = 0;
  {
    RunningServer closed({}, {});
    closed_port = closed.port();
  }
  LoadOptions impatient = options_for(silent.port());
  impatient.timeout = 50ms;

  EXPECT_EQ(kind(options_for(busy.port())), "HTTP 429 overloaded");
  EXPECT_EQ(kind(options_for(short_of_end.port())), "cut off");
  EXPECT_EQ(kind(options_for(closed_port)), "connect: Connection refused");
  EXPECT_EQ(kind(impatient), "timeout");
}

TEST(LoadClient, NamesAnErrorWithinTheStream) {
  const auto script = std::make_shared<Script>();
  script->put(kText);
  RunningServer server({}, {stream_route(kPath, script)});
  LoadClient client(options_for(server.port()));
  int calls = 0;

  const auto records = client.run(plan_of({0}), [&](size_t) {
    if (++calls == 2) script->fail("the test breaks it");
  });

  EXPECT_EQ(records[0].error, "stream internal_error");
  EXPECT_EQ(records[0].text_s.size(), 1U);
}

TEST(LoadClient, StopsAtOnceAndKeepsWhatThereIs) {
  const auto script = std::make_shared<Script>();
  RunningServer server({}, {reply_route(200, kEnd), stream_route("/silent", script)});
  LoadClient client(options_for(server.port()));
  std::vector<PlannedRequest> plan = plan_of({0});
  plan.push_back({0, "/silent", "{}"});
  plan.push_back({1e6, kPath, "{}"});

  const auto records = client.run(plan, [&](size_t ended) {
    if (ended == 1 && script->wait_begun()) client.stop();
  });

  EXPECT_TRUE(records[0].completed) << records[0].error;
  EXPECT_FALSE(records[1].completed);
  EXPECT_EQ(records[1].error, "");
  EXPECT_FALSE(records[2].completed);
  EXPECT_TRUE(script->wait_destroyed());
}

TEST(LoadClient, PostsOnceAndSaysWhatWasWrong) {
  RunningServer server({}, {reply_route(200, "hello", "text/plain")});
  LoadClient client(options_for(server.port()));

  EXPECT_EQ(client.post(kPath, "{}"), "hello");
  EXPECT_THROW(client.post("/none", "{}"), UserError);
}

}  // namespace
}  // namespace trellis
