#include "engine/memory_plan.h"

#include "base/error_matchers.h"

#include <gtest/gtest.h>

namespace trellis {
namespace {

constexpr size_t kWeights = 50'000'000;

/// 2 layers of 3 heads of 64: 1,536 bytes of fp16 a token, a page of 393,216.
ModelConfig config() {
  ModelConfig config;
  config.num_hidden_layers = 2;
  config.hidden_size = 192;
  config.intermediate_size = 512;
  config.vocab_size = 1000;
  config.num_attention_heads = 3;
  config.num_key_value_heads = 3;
  config.head_dim = 64;
  config.max_position_embeddings = 8192;
  return config;
}

size_t activations() {
  const EngineOptions options;
  return plan_activation_bytes(config(), options.max_step_tokens, options.max_sequences);
}

/// With room for that many bytes of cache.
MemoryPlan plan(const EngineOptions& options, size_t room) {
  return plan_memory(options, config(), "models/x", kWeights, kWeights + activations() + room);
}

constexpr size_t kPage = 256 * 1536;

TEST(PlanMemory, TakesWhatIsAskedWhereItFits) {
  EngineOptions options;
  options.fit = true;

  const MemoryPlan exact = plan(options, 32 * kPage);

  EXPECT_EQ(exact.cache.context_tokens, 8192);
  EXPECT_EQ(exact.cache.spec.types, same_kv_types(KvType::kFloat16));
  EXPECT_EQ(exact.total(), kWeights + activations() + 32 * kPage);
}

TEST(PlanMemory, TakesUnknownMemoryToBeEnough) {
  EXPECT_EQ(plan_memory({}, config(), "models/x", kWeights, 0).cache.num_pages, 32);
}

TEST(PlanMemory, FitsTheContextIntoFewerBits) {
  EngineOptions options;
  options.fit = true;

  // Of a group of 32 numbers in 8, 6 and 4 bits: 34, 26 and 18 bytes, where fp16 takes 64.
  EXPECT_EQ(plan(options, 32 * kPage - 1).cache.spec.types, same_kv_types(KvType::kQ8));
  EXPECT_EQ(plan(options, 32 * kPage * 34 / 64).cache.spec.types, same_kv_types(KvType::kQ8));
  EXPECT_EQ(plan(options, 32 * kPage * 34 / 64 - 1).cache.spec.types, same_kv_types(KvType::kQ6));
  const MemoryPlan smallest = plan(options, 32 * kPage * 18 / 64);
  EXPECT_EQ(smallest.cache.spec.types, same_kv_types(KvType::kQ4));
  EXPECT_EQ(smallest.cache.context_tokens, 8192);
  EXPECT_EQ(smallest.cache.bytes(), 32 * kPage * 18 / 64);
}

TEST(PlanMemory, ShortensTheContextLast) {
  EngineOptions options;
  options.fit = true;

  const MemoryPlan shorter = plan(options, 10 * kPage * 18 / 64);

  EXPECT_EQ(shorter.cache.spec.types, same_kv_types(KvType::kQ4));
  EXPECT_EQ(shorter.cache.context_tokens, 2560);
  EXPECT_EQ(shorter.cache.num_pages, 10);
}

TEST(PlanMemory, NeverTakesMoreBitsThanWereAsked) {
  EngineOptions options;
  options.fit = true;
  options.cache_type = "q5";

  EXPECT_EQ(plan(options, 20 * kPage * 22 / 64).cache.spec.types, same_kv_types(KvType::kQ4));

  options.cache_type = "q3";
  const MemoryPlan shorter = plan(options, 20 * kPage * 14 / 64);
  EXPECT_EQ(shorter.cache.spec.types, same_kv_types(KvType::kQ3));
  EXPECT_EQ(shorter.cache.context_tokens, 5120);
}

TEST(PlanMemory, KeepsTheTypesOfHeadsThatDoNotDivide) {
  ModelConfig odd = config();
  odd.head_dim = 40;
  EngineOptions options;
  options.fit = true;
  const size_t page = 256 * 2 * 2 * 3 * 40 * 2;
  const size_t fixed =
      kWeights + plan_activation_bytes(odd, options.max_step_tokens, options.max_sequences);

  const MemoryPlan shorter = plan_memory(options, odd, "models/x", kWeights, fixed + 8 * page);

  EXPECT_EQ(shorter.cache.spec.types, same_kv_types(KvType::kFloat16));
  EXPECT_EQ(shorter.cache.context_tokens, 2048);
}

TEST(PlanMemory, SaysWhatWouldFit) {
  EXPECT_USER_ERROR(
      plan({}, 20 * kPage),
      testing::AllOf(
          testing::HasSubstr("models/x: needs"),
          testing::HasSubstr("cache of 8192 tokens in fp16 12.0 MiB"),
          testing::HasSubstr("--context 5120 --cache-type fp16"),
          testing::HasSubstr("--context 8192 --cache-type q8"), testing::HasSubstr("--fit")
      )
  );
}

TEST(PlanMemory, RefusesWeightsThatLeaveNoRoom) {
  EngineOptions options;
  options.fit = true;

  // Four pages hold the least context that is of use; three do not.
  EXPECT_EQ(plan(options, 4 * kPage * 18 / 64).cache.context_tokens, 1024);
  EXPECT_USER_ERROR(
      plan(options, 4 * kPage * 18 / 64 - 1), testing::HasSubstr("no cache fits beside the weights")
  );
  EXPECT_USER_ERROR(
      plan_memory(options, config(), "models/x", kWeights, kWeights / 2),
      testing::HasSubstr("no cache fits")
  );
  options.context_tokens = 200;
  EXPECT_EQ(plan(options, kPage * 18 / 64).cache.context_tokens, 200);
}

TEST(RequireHostCache, RefusesMoreThanTheHostHas) {
  EngineOptions options;
  options.host_cache_bytes = 3 * kPage;
  const CachePlan cache = plan(options, 32 * kPage).cache;

  EXPECT_NO_THROW(require_host_cache(cache, 3 * kPage));
  EXPECT_NO_THROW(require_host_cache(cache, 0)) << "unknown";
  EXPECT_USER_ERROR(
      require_host_cache(cache, 3 * kPage - 1), testing::HasSubstr("use a smaller --host-cache")
  );
}

}  // namespace
}  // namespace trellis
