// What the tests of the whole engine share: a small trained model, requests and their answers.
#pragma once

#include "base/result.h"
#include "text/tokenizer.h"
#include "trellis/engine.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace trellis {

inline const std::string kTinyModel = TRELLIS_SOURCE_DIR "/tests/data/models/tiny-1m";

inline EngineOptions tiny_model_options() {
  EngineOptions result;
  result.model_directory = kTinyModel;
  result.num_threads = 2;
  result.exact_activations = true;
  result.cache_type = "fp32";
  return result;
}

inline Request greedy(std::vector<int32_t> prompt) {
  Request request;
  request.prompt_ids = std::move(prompt);
  request.sampling.temperature = 0.0f;
  return request;
}

using Submitted = Result<std::unique_ptr<EventStream>>;

/// All events of a stream as one.
inline Event collect(Submitted stream) {
  Event all;
  if (!stream.ok()) {
    ADD_FAILURE() << stream.error().message;
    return all;
  }
  while (auto event = stream.value()->next()) all.append(*std::move(event));
  return all;
}

/// The answers to requests that run one after another.
inline std::vector<Event> collect_alone(Engine& engine, const std::vector<Request>& requests) {
  std::vector<Event> answers;
  for (const Request& request : requests) answers.push_back(collect(engine.submit(request)));
  return answers;
}

/// The answers to requests that run side by side.
inline std::vector<Event> collect_together(Engine& engine, const std::vector<Request>& requests) {
  std::vector<Submitted> streams;
  for (const Request& request : requests) streams.push_back(engine.submit(request));
  std::vector<Event> answers;
  for (Submitted& stream : streams) answers.push_back(collect(std::move(stream)));
  return answers;
}

class EngineTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { engine_ = Engine::load(tiny_model_options()).release(); }
  static void TearDownTestSuite() {
    delete engine_;
    engine_ = nullptr;
  }
  static std::vector<int32_t> encode(const std::string& text) {
    return engine_->tokenizer().encode(text, false);
  }
  static std::vector<int32_t> hello() {
    return encode("<|im_start|>user\nHello! How are you today?<|im_end|>\n<|im_start|>assistant\n");
  }
  inline static Engine* engine_ = nullptr;
};

/// Compares all of two answers, log probabilities by their bits.
inline void expect_same(const Event& answer, const Event& expected) {
  ASSERT_EQ(answer.token_ids, expected.token_ids);
  EXPECT_EQ(answer.text, expected.text);
  ASSERT_EQ(answer.logprobs.size(), expected.logprobs.size());
  for (size_t i = 0; i < answer.logprobs.size(); ++i) {
    const TokenLogprob& a = answer.logprobs[i];
    const TokenLogprob& b = expected.logprobs[i];
    EXPECT_EQ(std::memcmp(&a.logprob, &b.logprob, sizeof(float)), 0)
        << "token " << i << ": " << a.logprob << " and " << b.logprob;
    EXPECT_EQ(a.top, b.top) << "token " << i;
  }
}

}  // namespace trellis
