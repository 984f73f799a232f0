// A request that had to give its pages to older ones and was computed again answers as it does
// alone, bit for bit.
#include "engine/engine_harness.h"

#include <gtest/gtest.h>

#include <random>

namespace trellis {
namespace {

std::unique_ptr<Engine> load(int num_pages, const char* cache_type, int64_t host_cache_bytes) {
  EngineOptions options = tiny_model_options();
  options.cache_type = cache_type;
  options.context_tokens = 512;
  options.cache_tokens = num_pages * 256;
  options.max_step_tokens = 100;
  options.host_cache_bytes = host_cache_bytes;
  return Engine::load(options);
}

/// All begin in their first page, and are in their second before any ends: more run than the pool
/// has second pages for.
std::vector<Request> requests(uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<Request> result(6);
  for (Request& request : result) {
    request.prompt_ids.resize(200 + random() % 50);
    for (int32_t& id : request.prompt_ids) id = static_cast<int32_t>(3 + random() % 900);
    request.sampling.temperature = 1.0f;
    request.sampling.repetition_penalty = 1.2f;
    request.sampling.seed = random();
    request.ignore_eos = true;
    request.max_tokens = 80 + static_cast<int64_t>(random() % 40);
    request.logprobs = 0;
  }
  return result;
}

struct Case {
  int num_pages;
  uint32_t seed;
  const char* cache_type;
  int64_t host_cache_bytes = 0;
};

void PrintTo(const Case& value, std::ostream* stream) {
  *stream << value.num_pages << " pages, seed " << value.seed << ", cache " << value.cache_type
          << ", " << value.host_cache_bytes << " bytes of the host";
}

class PreemptedRequests : public testing::TestWithParam<Case> {};

TEST_P(PreemptedRequests, AnswerAsTheyDoAlone) {
  const auto [num_pages, seed, cache_type, host_cache_bytes] = GetParam();
  std::vector<Event> alone;
  {
    const std::unique_ptr<Engine> engine = load(num_pages, cache_type, 0);
    for (const Request& request : requests(seed)) alone.push_back(collect(engine->submit(request)));
  }
  const std::unique_ptr<Engine> engine = load(num_pages, cache_type, host_cache_bytes);

  std::vector<Submitted> streams;
  for (const Request& request : requests(seed)) streams.push_back(engine->submit(request));
  int num_preemptions = 0;
  for (size_t i = 0; i < streams.size(); ++i) {
    const Event among = collect(std::move(streams[i]));
    EXPECT_EQ(among.finish_reason, FinishReason::kLength);
    EXPECT_EQ(among.token_ids, alone[i].token_ids) << "request " << i;
    EXPECT_EQ(among.text, alone[i].text);
    ASSERT_EQ(among.logprobs.size(), alone[i].logprobs.size());
    for (size_t token = 0; token < among.logprobs.size(); ++token) {
      EXPECT_EQ(among.logprobs[token].logprob, alone[i].logprobs[token].logprob);
    }
    EXPECT_EQ(among.usage.prompt_tokens, alone[i].usage.prompt_tokens);
    EXPECT_EQ(among.usage.decode_tokens, alone[i].usage.decode_tokens);
    EXPECT_EQ(alone[i].usage.num_preemptions, 0);
    num_preemptions += among.usage.num_preemptions;
  }

  EXPECT_GT(num_preemptions, 0);
  // What the pool has no room for comes back from the host, where that has.
  EXPECT_EQ(engine->stats().host_cache.num_hits > 0, host_cache_bytes > 0);
}

INSTANTIATE_TEST_SUITE_P(
    Cpu, PreemptedRequests,
    testing::Values(
        Case{3, 1, "fp32"}, Case{3, 2, "fp16"}, Case{5, 3, "fp16"}, Case{5, 4, "fp32"},
        Case{5, 5, "q8,q4"}, Case{7, 6, "fp16"}, Case{3, 1, "fp32", 64 << 20},
        Case{5, 3, "fp16", 64 << 20}, Case{5, 5, "q8,q4", 64 << 20}, Case{3, 2, "fp16", 2 << 20}
    )
);

}  // namespace
}  // namespace trellis
