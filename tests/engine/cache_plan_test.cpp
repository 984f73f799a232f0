#include "engine/cache_plan.h"

#include "base/error_matchers.h"

#include <gtest/gtest.h>

namespace trellis {
namespace {

ModelConfig config(int64_t max_positions) {
  ModelConfig config;
  config.num_hidden_layers = 2;
  config.num_key_value_heads = 3;
  config.head_dim = 64;
  config.max_position_embeddings = max_positions;
  return config;
}

TEST(PlanCache, HoldsOneContextByDefault) {
  const CachePlan plan = plan_cache({}, config(1000));

  EXPECT_EQ(plan.context_tokens, 1000);
  EXPECT_EQ(plan.num_pages, 4);
  EXPECT_EQ(plan.cache_tokens(), 1024);
  EXPECT_EQ(plan.bytes(), 4u * 256 * 2 * 2 * 3 * 64 * sizeof(uint16_t));
}

TEST(PlanCache, TakesNoMoreContextThanTheModelHas) {
  EngineOptions options;
  options.context_tokens = 5000;

  EXPECT_EQ(plan_cache(options, config(1000)).context_tokens, 1000);
  EXPECT_EQ(plan_cache(options, config(100000)).context_tokens, 5000);
  EXPECT_EQ(plan_cache({}, config(100000)).context_tokens, 32768);
}

TEST(PlanCache, NeverHoldsLessThanOneContext) {
  EngineOptions options;
  options.context_tokens = 600;
  options.cache_tokens = 100;
  EXPECT_EQ(plan_cache(options, config(1000)).num_pages, 3);

  options.cache_tokens = 2000;
  EXPECT_EQ(plan_cache(options, config(1000)).num_pages, 8);
}

TEST(PlanCache, TakesTheTypesOfKeysAndValues) {
  EngineOptions options;
  options.cache_type = "q8,q4";
  const CachePlan plan = plan_cache(options, config(1000));

  EXPECT_EQ(plan.spec.types, (KvTypes{KvType::kQ8, KvType::kQ4}));
  // 2 layers, 3 heads of two groups of 32: 8 words and 4 words, and a scale each.
  EXPECT_EQ(plan.bytes(), 4u * 256 * 2 * 3 * 2 * (8 * 4 + 2 + 4 * 4 + 2));

  options.cache_type = "q1";
  EXPECT_USER_ERROR(plan_cache(options, config(1000)), testing::HasSubstr("q1"));
}

TEST(PlanCache, CountsPagesOfTheHostAndKeepsAContextForADirectory) {
  EngineOptions options;
  options.context_tokens = 1000;
  // 2 layers, 3 heads of 64 numbers of fp16, keys and values.
  constexpr int64_t kPageBytes = 256 * 2 * 3 * 64 * 2 * 2;
  EXPECT_EQ(plan_cache(options, config(1000)).num_host_pages, 0);

  options.host_cache_bytes = 3 * kPageBytes - 1;
  EXPECT_EQ(plan_cache(options, config(1000)).num_host_pages, 2);
  EXPECT_EQ(plan_cache(options, config(1000)).host_bytes(), size_t{2 * kPageBytes});
  options.cache_directory = "cache";
  EXPECT_EQ(plan_cache(options, config(1000)).num_host_pages, 4 + 16);
  options.host_cache_bytes = 30 * kPageBytes;
  EXPECT_EQ(plan_cache(options, config(1000)).num_host_pages, 30);
}

TEST(PlanCache, RefusesMoreTokensThanCanBeNumbered) {
  EngineOptions options;
  options.cache_tokens = int64_t{1} << 60;
  EXPECT_USER_ERROR(
      plan_cache(options, config(1000)),
      testing::AllOf(
          testing::HasSubstr("1152921504606846976"), testing::HasSubstr("smaller context")
      )
  );

  options.cache_tokens = 0;
  options.context_tokens = int64_t{1} << 40;
  EXPECT_USER_ERROR(
      plan_cache(options, config(int64_t{1} << 50)), testing::HasSubstr("1099511627776")
  );
}

}  // namespace
}  // namespace trellis
