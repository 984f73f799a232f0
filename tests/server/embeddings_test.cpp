#include "server/api_harness.h"

#include <cmath>
#include <cstring>

namespace trellis::server {
namespace {

constexpr const char* kPath = "/v1/embeddings";

std::vector<float> from_base64(const std::string& text) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t bits = 0;
  int num_bits = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<uint32_t>(digits.find(c));
    num_bits += 6;
    if (num_bits < 8) continue;
    num_bits -= 8;
    bytes += static_cast<char>(bits >> num_bits & 255);
  }
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

class EmbeddingsTest : public ApiTest {
 protected:
  static Json post(const Json& body) {
    const Answer answer = server_->post(kPath, body);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.json();
  }
  static std::vector<float> first_of(const Json& body) {
    return post(body)["data"][0]["embedding"].get<std::vector<float>>();
  }
};

TEST_F(EmbeddingsTest, AreThoseOfTheEngine) {
  const Json document = post({{"input", "Once upon a time"}, {"model", "tiny-alias"}});

  EXPECT_EQ(document["object"], "list");
  EXPECT_EQ(document["model"], "tiny-alias");
  ASSERT_EQ(document["data"].size(), 1u);
  EXPECT_EQ(document["data"][0]["object"], "embedding");
  EXPECT_EQ(document["data"][0]["index"], 0);
  Request request;
  request.prompt_ids = tokenizer().encode("Once upon a time", true);
  request.pooling = Pooling::kMean;
  auto stream = server_->engine().submit(request);
  ASSERT_TRUE(stream.ok());
  const Event event = *stream.value()->next();
  EXPECT_EQ(document["data"][0]["embedding"].get<std::vector<float>>(), event.embedding);
  EXPECT_EQ(document["usage"]["prompt_tokens"], request.prompt_ids.size());
  EXPECT_EQ(document["usage"]["total_tokens"], request.prompt_ids.size());
}

TEST_F(EmbeddingsTest, AreTheSameInEveryForm) {
  const std::string text = "The cat sat on the mat";
  const std::vector<float> expected = first_of({{"input", text}});
  const std::vector<int32_t> ids = tokenizer().encode(text, true);

  EXPECT_EQ(first_of({{"input", ids}}), expected);
  EXPECT_EQ(first_of({{"input", Json::array({ids})}}), expected);
  EXPECT_EQ(first_of({{"input", Json::array({text})}}), expected);
  EXPECT_EQ(first_of({{"input", text}, {"encoding_format", "float"}}), expected);
  const Json encoded = post({{"input", text}, {"encoding_format", "base64"}});
  EXPECT_EQ(from_base64(encoded["data"][0]["embedding"]), expected);
}

/// More than the engine gets at a time, and than run side by side.
TEST_F(EmbeddingsTest, OfManyInputsAreThoseOfEachAlone) {
  std::vector<std::string> inputs;
  for (int i = 0; i < 150; ++i) {
    inputs.push_back("Number " + std::to_string(i) + std::string(static_cast<size_t>(i) / 4, 'a'));
  }
  const Answer answer = server_->post(kPath, {{"input", inputs}, {"pooling", "last"}});
  ASSERT_EQ(answer.status, 200) << answer.body;
  const Json document = answer.json();

  ASSERT_EQ(document["data"].size(), inputs.size());
  int64_t tokens = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    EXPECT_EQ(document["data"][i]["index"], i);
    tokens += static_cast<int64_t>(tokenizer().encode(inputs[i], true).size());
    if (i % 10 != 0) continue;
    const std::vector<float> alone = first_of({{"input", inputs[i]}, {"pooling", "last"}});
    EXPECT_EQ(document["data"][i]["embedding"].get<std::vector<float>>(), alone) << i;
  }
  EXPECT_EQ(document["usage"]["prompt_tokens"], tokens);
  ASSERT_TRUE(answer.figures.has_value());
  EXPECT_EQ(answer.figures->prompt_tokens, tokens);
}

TEST_F(EmbeddingsTest, ArePooledAsAsked) {
  const std::string text = "Two and two are four";
  const std::vector<float> mean = first_of({{"input", text}});
  const std::vector<float> last = first_of({{"input", text}, {"pooling", "last"}});

  EXPECT_EQ(first_of({{"input", text}, {"pooling", "mean"}}), mean);
  EXPECT_NE(last, mean);
  // Of one token both are the same.
  const Json one = Json::array({7});
  EXPECT_EQ(first_of({{"input", one}, {"pooling", "last"}}), first_of({{"input", one}}));
}

TEST_F(EmbeddingsTest, ArePooledAsTheServerSaysWhereNothingIsAsked) {
  ServerContext context{server_->models(), 0, "1", Pooling::kLast};
  ApiRequest request;
  request.body = Json{{"input", "Two and two are four"}}.dump();
  std::vector<float> found;
  for (const Route& route : make_routes(context)) {
    if (route.path != kPath) continue;
    const Json document = TestServer::wait_for(route.handler(request)).json();
    found = document["data"][0]["embedding"].get<std::vector<float>>();
  }

  EXPECT_EQ(found, first_of({{"input", "Two and two are four"}, {"pooling", "last"}}));
}

TEST_F(EmbeddingsTest, KeepTheirDirectionInFewerDimensions) {
  const std::vector<float> whole = first_of({{"input", "A short text"}});
  const std::vector<float> part = first_of({{"input", "A short text"}, {"dimensions", 10}});

  ASSERT_EQ(part.size(), 10u);
  double squares = 0.0;
  for (size_t i = 0; i < part.size(); ++i) squares += static_cast<double>(part[i]) * part[i];
  EXPECT_NEAR(squares, 1.0, 1e-6);
  for (size_t i = 1; i < part.size(); ++i) {
    EXPECT_NEAR(part[i] * whole[0], whole[i] * part[0], 1e-6);
  }
  const auto size = whole.size();
  EXPECT_EQ(first_of({{"input", "A short text"}, {"dimensions", size}}), whole);
}

TEST_F(EmbeddingsTest, AreRefusedWithTheNameOfTheField) {
  const auto refuse = [](Json body, const char* code, const char* field) {
    if (!body.contains("input")) body["input"] = "text";
    expect_error(server_->post(kPath, body), 400, code, field);
  };
  refuse({{"input", nullptr}}, "missing_required_parameter", "input");
  refuse({{"input", Json::array()}}, "invalid_value", "input");
  refuse({{"input", ""}}, "invalid_request", "input");
  refuse({{"input", Json::array({"a", ""})}}, "invalid_request", "input");
  refuse({{"input", Json::array({"a", 7})}}, "invalid_type", "input[1]");
  refuse({{"input", std::vector<std::string>(2049, "a")}}, "invalid_value", "input");
  refuse({{"input", std::vector<int32_t>(9000, 7)}}, "context_length_exceeded", "input");
  refuse({{"dimensions", 0}}, "invalid_value", "dimensions");
  refuse({{"dimensions", 100000}}, "invalid_value", "dimensions");
  refuse({{"encoding_format", "int8"}}, "invalid_value", "encoding_format");
  refuse({{"pooling", "max"}}, "invalid_value", "pooling");
}

/// The refused one comes long after the first ones are computed.
TEST_F(EmbeddingsTest, FailTogetherWhereOneInputIsRefused) {
  std::vector<std::string> inputs(100, "a text");
  inputs.emplace_back();
  expect_error(server_->post(kPath, {{"input", inputs}}), 400, "invalid_request", "input");

  const EngineStats stats = server_->idle_stats();
  EXPECT_EQ(stats.num_running + stats.num_waiting, 0);
}

}  // namespace
}  // namespace trellis::server
