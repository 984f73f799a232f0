// On a GPU, where more rows are rounded more, an engine that is asked to be deterministic gives an
// answer the same bits alone, beside others, and however its prompt is cut.
#include "base/error_matchers.h"
#include "engine/engine_harness.h"

#include <gmock/gmock.h>

namespace trellis {
namespace {

EngineOptions options_of(int max_step_tokens) {
  EngineOptions options = tiny_model_options();
  options.model_directory = TRELLIS_SOURCE_DIR "/tests/data/models/tiny-1m-exl3-3.0bpw";
  options.exact_activations = false;
  options.max_sequences = 3;
  options.max_step_tokens = max_step_tokens;
  options.deterministic = true;
  return options;
}

Request asking(std::vector<int32_t> prompt) {
  Request request = greedy(std::move(prompt));
  request.ignore_eos = true;
  request.max_tokens = 4;
  request.logprobs = 0;
  return request;
}

TEST(Deterministic, AnswersDoNotDependOnWhatRunsBesideThem) {
  const std::unique_ptr<Engine> engine = Engine::load(options_of(512));
  std::vector<int32_t> prompt;
  for (int32_t id = 20; id < 60; ++id) prompt.push_back(id);
  const Event alone = collect(engine->submit(asking(prompt)));
  ASSERT_EQ(alone.token_ids.size(), 4u);

  Submitted other = engine->submit(asking({7, 8, 9}));
  Submitted among = engine->submit(asking(prompt));
  Submitted third = engine->submit(asking({30, 31, 32, 33, 34, 35, 36, 37, 38}));
  expect_same(collect(std::move(among)), alone);
  collect(std::move(other));
  collect(std::move(third));

  const std::unique_ptr<Engine> smaller = Engine::load(options_of(7));
  expect_same(collect(smaller->submit(asking(prompt))), alone);
}

TEST(Deterministic, RefusesMoreSequencesThanRowsThatDoNotDependOnEachOther) {
  EngineOptions options = options_of(512);
  options.max_sequences = 17;
  EXPECT_THAT(
      user_error_of([&] { Engine::load(options); }),
      testing::EndsWith("need max_sequences of at most 16, found 17")
  );
}

}  // namespace
}  // namespace trellis
