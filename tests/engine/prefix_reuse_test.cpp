// A request that finds a part of its prompt computed answers as one that does not, bit for bit, and
// its usage says how much was found.
#include "engine/engine_harness.h"

#include <gtest/gtest.h>

#include <string>

namespace trellis {
namespace {

std::unique_ptr<Engine> load(const std::string& backend, const char* cache_type) {
  EngineOptions options = tiny_model_options();
  options.backend = backend;
  options.cache_type = cache_type;
  options.context_tokens = 512;
  options.cache_tokens = 3072;
  return Engine::load(options);
}

Request asking(size_t prompt_tokens, size_t different_from) {
  Request request;
  for (size_t i = 0; i < prompt_tokens; ++i) {
    const size_t token = i * 7 % 611 + (i >= different_from ? 13 : 0);
    request.prompt_ids.push_back(static_cast<int32_t>(3 + token));
  }
  request.sampling.temperature = 1.0f;
  request.sampling.seed = 5;
  request.ignore_eos = true;
  request.max_tokens = 12;
  request.logprobs = 1;
  return request;
}

struct Case {
  const char* name;
  const char* cache_type;
};

void PrintTo(const Case& value, std::ostream* stream) {
  *stream << value.name;
}

class PrefixReuse : public testing::TestWithParam<Case> {
 protected:
  static std::unique_ptr<Engine> load() { return trellis::load("cpu", GetParam().cache_type); }
  static Event cold(const Request& request) { return collect(load()->submit(request)); }
};

TEST_P(PrefixReuse, ChangesNoBitOfTheAnswer) {
  const Request request = asking(480, 400);
  const Event expected = cold(request);
  EXPECT_EQ(expected.usage.cached_tokens, 0);

  // One full page is shared, and 400 - 256 tokens of the second are copied.
  const std::unique_ptr<Engine> engine = load();
  collect(engine->submit(asking(490, 490)));
  const Event warm = collect(engine->submit(request));
  expect_same(warm, expected);
  EXPECT_EQ(warm.usage.cached_tokens, 400);
  EXPECT_EQ(warm.usage.prompt_tokens, 480);

  // The whole prompt but the last token, whose logits are wanted; with others beside it.
  Submitted others[] = {engine->submit(asking(450, 300)), engine->submit(asking(450, 200))};
  const Event again = collect(engine->submit(request));
  expect_same(again, expected);
  EXPECT_EQ(again.usage.cached_tokens, 479);
  EXPECT_EQ(collect(std::move(others[0])).usage.cached_tokens, 300);
  EXPECT_EQ(collect(std::move(others[1])).usage.cached_tokens, 200);
}

TEST_P(PrefixReuse, GoesOnBehindTheAnswerBefore) {
  const std::unique_ptr<Engine> engine = load();
  Request request = asking(250, 250);
  const Event answer = collect(engine->submit(request));
  request.prompt_ids.insert(
      request.prompt_ids.end(), answer.token_ids.begin(), answer.token_ids.end()
  );
  request.prompt_ids.push_back(9);
  request.prompt_ids.push_back(10);

  const Event next = collect(engine->submit(request));

  // The last token of an answer is never computed.
  EXPECT_EQ(next.usage.cached_tokens, 250 + 12 - 1);
  expect_same(next, cold(request));
}

INSTANTIATE_TEST_SUITE_P(
    Cpu, PrefixReuse,
    testing::Values(
        Case{"CacheFp32", "fp32"}, Case{"CacheFp16", "fp16"}, Case{"CacheQ8Q4", "q8,q4"}
    ),
    [](const auto& info) { return std::string(info.param.name); }
);

TEST_P(PrefixReuse, ComputesThePromptOfSeveralAnswersOnce) {
  const std::unique_ptr<Engine> engine = load();
  std::vector<Event> expected;
  std::vector<Request> choices(6, asking(400, 400));
  for (size_t i = 0; i < choices.size(); ++i) {
    choices[i].sampling.seed = i;
    expected.push_back(cold(choices[i]));
  }

  std::vector<Submitted> streams;
  for (const Request& choice : choices) streams.push_back(engine->submit(choice));
  for (size_t i = 0; i < choices.size(); ++i) {
    const Event answer = collect(std::move(streams[i]));
    expect_same(answer, expected[i]);
  }

  const EngineStats stats = engine->stats();
  EXPECT_EQ(stats.prompt_tokens, 6 * 400);
  EXPECT_EQ(stats.prompt_tokens - stats.cached_tokens, 400 + 5);
}

TEST(PrefixReuseSalt, KeepsRequestsApart) {
  const std::unique_ptr<Engine> engine = load("cpu", "fp16");
  Request request = asking(400, 400);
  request.cache_salt = "one";
  collect(engine->submit(request));

  request.cache_salt = "two";
  EXPECT_EQ(collect(engine->submit(request)).usage.cached_tokens, 0);
  request.cache_salt = "one";
  EXPECT_EQ(collect(engine->submit(request)).usage.cached_tokens, 399);
}

}  // namespace
}  // namespace trellis
