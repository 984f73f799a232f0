// The same request gives the same tokens and the same log probabilities, bit for bit, whatever runs
// beside it, however its prompt is cut into steps, and on any number of threads.
#include "engine/engine_harness.h"

namespace trellis {
namespace {

const std::string kStory =
    "Once upon a time there was a small house by the sea. In the house lived an old man and his "
    "dog. Every morning they went down to the beach to look for wood, and every evening they sat "
    "by the fire and told each other what they had seen.";

struct Setting {
  const char* name;
  const char* model;
  int max_step_tokens;
  int num_threads;
  bool exact_activations;
  const char* cache_type;
};

void PrintTo(const Setting& setting, std::ostream* stream) {
  *stream << setting.name;
}

std::unique_ptr<Engine> load(const Setting& setting) {
  EngineOptions options;
  options.model_directory = setting.model;
  options.backend = "cpu";
  options.num_threads = setting.num_threads;
  options.exact_activations = setting.exact_activations;
  options.cache_type = setting.cache_type;
  options.context_tokens = 256;
  options.cache_tokens = 6 * 256;
  options.max_sequences = 6;
  options.max_step_tokens = setting.max_step_tokens;
  return Engine::load(options);
}

Request sampled(const Engine& engine, const std::string& text, uint64_t seed) {
  Request request;
  request.prompt_ids = engine.tokenizer().encode(text, false);
  request.sampling.temperature = 1.0f;
  request.sampling.top_p = 0.95f;
  request.sampling.seed = seed;
  request.ignore_eos = true;
  request.max_tokens = 16;
  request.logprobs = 3;
  return request;
}

/// Alone on one thread, the prompt in one step.
Event reference(Setting setting) {
  setting.max_step_tokens = 512;
  setting.num_threads = 1;
  const std::unique_ptr<Engine> engine = load(setting);
  return collect(engine->submit(sampled(*engine, kStory, 7)));
}

class Determinism : public testing::TestWithParam<Setting> {};

TEST_P(Determinism, HoldsBesideOtherRequestsAndInAnyChunks) {
  const Event expected = reference(GetParam());
  const std::unique_ptr<Engine> engine = load(GetParam());

  const Event alone = collect(engine->submit(sampled(*engine, kStory, 7)));
  // Others of several lengths: some generate already while the prompt is read, some come after it.
  std::vector<Submitted> others;
  const auto add_other = [&](size_t length, uint64_t seed) {
    Request other = sampled(*engine, kStory.substr(0, length), seed);
    other.max_tokens = 8 + static_cast<int64_t>(3 * seed);
    others.push_back(engine->submit(other));
  };
  add_other(5, 1);
  add_other(150, 2);
  add_other(40, 3);
  Submitted among = engine->submit(sampled(*engine, kStory, 7));
  add_other(90, 4);
  add_other(230, 5);
  Submitted again = engine->submit(sampled(*engine, kStory, 7));

  ASSERT_EQ(expected.token_ids.size(), 16u);
  expect_same(alone, expected);
  expect_same(collect(std::move(among)), expected);
  expect_same(collect(std::move(again)), expected);
  for (Submitted& other : others) EXPECT_FALSE(collect(std::move(other)).token_ids.empty());
}

constexpr const char* kTiny = TRELLIS_SOURCE_DIR "/tests/data/models/tiny-1m";
constexpr const char* kQuantized = TRELLIS_SOURCE_DIR "/models/demo-25m-exl3-4.0bpw";

INSTANTIATE_TEST_SUITE_P(
    Cpu, Determinism,
    testing::Values(
        Setting{"DenseInStepsOf6", kTiny, 6, 1, true, "fp32"},
        Setting{"DenseInStepsOf17", kTiny, 17, 2, false, "fp16"},
        Setting{"DenseInStepsOf64", kTiny, 64, 3, false, "fp16"},
        Setting{"DenseInStepsOf512", kTiny, 512, 2, true, "fp16"},
        Setting{"DenseInStepsOf11CacheQ8", kTiny, 11, 2, false, "q8"},
        Setting{"DenseInStepsOf64CacheQ4", kTiny, 64, 3, true, "q4"},
        Setting{"QuantizedInStepsOf21CacheQ6Q3", kQuantized, 21, 2, false, "q6,q3"},
        Setting{"QuantizedInStepsOf9", kQuantized, 9, 2, false, "fp16"},
        Setting{"QuantizedInStepsOf33", kQuantized, 33, 1, true, "fp32"},
        Setting{"QuantizedInStepsOf512", kQuantized, 512, 2, false, "fp16"}
    ),
    [](const auto& info) { return std::string(info.param.name); }
);

}  // namespace
}  // namespace trellis
