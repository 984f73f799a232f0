// Embeddings of prompts: pooled from the hidden states of a reference forward, alone or beside
// others.
#include "base/half.h"
#include "engine/engine_harness.h"
#include "model/model_harness.h"

#include <cmath>

namespace trellis {
namespace {

std::unique_ptr<Engine> load(int max_step_tokens) {
  EngineOptions options = tiny_model_options();
  options.context_tokens = 512;
  options.cache_tokens = 8 * 256;
  options.max_step_tokens = max_step_tokens;
  return Engine::load(options);
}

Request asking(size_t prompt_tokens, Pooling pooling, size_t first = 0) {
  Request request;
  for (size_t i = first; i < first + prompt_tokens; ++i) {
    request.prompt_ids.push_back(static_cast<int32_t>(3 + i * 7 % 611));
  }
  request.pooling = pooling;
  return request;
}

/// The logits that a vector in the place of the normalised hidden state has: the head of the tiny
/// model is its embedding table.
std::vector<double> head_of(const Checkpoint& checkpoint, const std::vector<float>& state) {
  const ConstTensor table = checkpoint.tensor("model.embed_tokens.weight");
  EXPECT_EQ(table.dtype(), DType::kFloat16);
  std::vector<double> logits;
  for (int64_t row = 0; row < table.dim(0); ++row) {
    double sum = 0.0;
    for (size_t i = 0; i < state.size(); ++i) {
      uint16_t bits = 0;
      const auto* const begin = static_cast<const char*>(table.data());
      const size_t index = static_cast<size_t>(row) * state.size() + i;
      std::memcpy(&bits, begin + index * sizeof(bits), sizeof(bits));
      sum += static_cast<double>(half_to_float(bits)) * static_cast<double>(state[i]);
    }
    logits.push_back(sum);
  }
  return logits;
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0.0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

double length(const std::vector<float>& vector) {
  const std::vector<double> wide(vector.begin(), vector.end());
  return std::sqrt(dot(wide, wide));
}

class Embeddings : public testing::TestWithParam<Pooling> {};

/// The head is linear, and knows any two states apart. So an embedding is right if its logits point
/// where the reference forward's do, of the last position or summed over all.
TEST_P(Embeddings, ArePooledFromAReferenceForward) {
  const Request request = asking(300, GetParam());
  const Event answer = collect(load(512)->submit(request));

  test::ModelHarness reference(kTinyModel, "reference");
  const std::vector<float> logits = reference.logits(request.prompt_ids, 300);
  const auto vocab = static_cast<size_t>(reference.config().vocab_size);
  std::vector<double> expected(vocab);
  for (size_t position = GetParam() == Pooling::kLast ? 299 : 0; position < 300; ++position) {
    for (size_t id = 0; id < vocab; ++id) {
      expected[id] += static_cast<double>(logits[position * vocab + id]);
    }
  }
  ASSERT_EQ(answer.embedding.size(), static_cast<size_t>(reference.config().hidden_size));
  EXPECT_NEAR(length(answer.embedding), 1.0, 1e-6);
  const std::vector<double> found = head_of(Checkpoint(kTinyModel), answer.embedding);
  const double scale = dot(found, expected) / dot(found, found);
  EXPECT_GT(scale, 0.0);
  const double largest =
      std::abs(*std::max_element(expected.begin(), expected.end(), [](double a, double b) {
        return std::abs(a) < std::abs(b);
      }));
  for (size_t id = 0; id < vocab; ++id) {
    EXPECT_NEAR(scale * found[id], expected[id], 1e-5 * largest) << id;
  }
  EXPECT_TRUE(answer.token_ids.empty());
  EXPECT_TRUE(answer.text.empty());
  EXPECT_EQ(answer.usage.prompt_tokens, 300);
}

TEST_P(Embeddings, AreTheSameInABatchBesideAnswersAndInAnySteps) {
  const std::unique_ptr<Engine> whole = load(512);
  std::vector<Event> alone;
  for (const size_t size : {1, 50, 280, 400}) {
    alone.push_back(collect(whole->submit(asking(size, GetParam(), size))));
  }

  const std::unique_ptr<Engine> engine = load(23);
  Request generating = greedy(asking(30, GetParam()).prompt_ids);
  generating.ignore_eos = true;
  generating.max_tokens = 100;
  const Event expected_answer = collect(whole->submit(generating));
  Submitted answer = engine->submit(generating);
  std::vector<Submitted> streams;
  for (const size_t size : {1, 50, 280, 400}) {
    streams.push_back(engine->submit(asking(size, GetParam(), size)));
  }
  for (size_t i = 0; i < streams.size(); ++i) {
    EXPECT_EQ(collect(std::move(streams[i])).embedding, alone[i].embedding) << i;
  }
  EXPECT_EQ(collect(std::move(answer)).token_ids, expected_answer.token_ids);
}

TEST_P(Embeddings, AreTheSameOfAPromptThatWasComputedBefore) {
  const std::unique_ptr<Engine> engine = load(512);
  const Event cold = collect(engine->submit(asking(300, GetParam())));
  const Event warm = collect(engine->submit(asking(300, GetParam())));

  EXPECT_EQ(warm.embedding, cold.embedding);
  EXPECT_EQ(warm.usage.cached_tokens, GetParam() == Pooling::kLast ? 299 : 0);
}

TEST_P(Embeddings, FillTheContext) {
  const std::unique_ptr<Engine> engine = load(512);
  EXPECT_NEAR(length(collect(engine->submit(asking(512, GetParam()))).embedding), 1.0, 1e-6);
  const Submitted refused = engine->submit(asking(513, GetParam()));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, "context_length_exceeded");
}

INSTANTIATE_TEST_SUITE_P(
    Poolings, Embeddings, testing::Values(Pooling::kMean, Pooling::kLast),
    [](const auto& info) { return info.param == Pooling::kMean ? "Mean" : "Last"; }
);

TEST(EmbeddingRequests, HaveNoLogProbabilities) {
  Request request = asking(5, Pooling::kMean);
  request.prompt_logprobs = 1;
  const Submitted refused = load(64)->submit(request);

  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().parameter, "prompt_logprobs");
}

}  // namespace
}  // namespace trellis
