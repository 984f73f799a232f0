// The names of the cache's types, and what a side's tensors tell about it.
#include "backend/args.h"
#include "base/error_matchers.h"

#include <gtest/gtest.h>

namespace trellis {
namespace {

TEST(KvTypes, AreReadAsTheyAreNamed) {
  for (const char* name :
       {"fp16", "fp32", "q2", "q3", "q4", "q5", "q6", "q7", "q8", "q8,q4", "fp16,q4", "q6,fp32"}) {
    const auto types = parse_kv_types(name);
    ASSERT_TRUE(types.has_value()) << name;
    EXPECT_EQ(kv_types_name(*types), name);
  }
  EXPECT_EQ(parse_kv_types("q8,q4"), (KvTypes{KvType::kQ8, KvType::kQ4}));
  EXPECT_EQ(parse_kv_types("8,4"), (KvTypes{KvType::kQ8, KvType::kQ4}));
  EXPECT_EQ(parse_kv_types("4"), (KvTypes{KvType::kQ4, KvType::kQ4}));
  EXPECT_EQ(kv_types_name({KvType::kQ4, KvType::kQ4}), "q4");
}

TEST(KvTypes, AreNothingElse) {
  for (const char* text :
       {"", "q", "q1", "q9", "1", "9", "16", "fp8", "Q4", "q4,", ",q4", " q4", "q4,q4,q4", "q44",
        "qq4", "q4 q4"}) {
    EXPECT_FALSE(parse_kv_types(text).has_value()) << text;
  }
  EXPECT_USER_ERROR(
      require_kv_types("int8"), testing::AllOf(testing::HasSubstr("int8"), testing::HasSubstr("q8"))
  );
}

TEST(KvTypes, KnowTheBytesOfARow) {
  EXPECT_EQ(kv_row_bytes(KvType::kFloat32, 20), 80u);
  EXPECT_EQ(kv_row_bytes(KvType::kFloat16, 128), 256u);
  // 4 groups of 4 words and a scale of 2 bytes.
  EXPECT_EQ(kv_row_bytes(KvType::kQ4, 128), 4u * (4 * 4 + 2));
  EXPECT_EQ(kv_row_bytes(KvType::kQ3, 96), 3u * (3 * 4 + 2));
}

TEST(KvSide, TellsItsTypeAndPlacesByItsTensors) {
  char memory[8] = {};
  const KvSide half = {{memory, DType::kFloat16, {5, 3, kPageTokens, 96}}, {}};
  const KvSide words = {
      {memory, DType::kUint32, {5, 3, kPageTokens, 9}},
      {memory, DType::kFloat16, {5, 3, kPageTokens, 3}}
  };

  EXPECT_EQ(half.type(), KvType::kFloat16);
  EXPECT_EQ(half.head_dim(), 96);
  EXPECT_EQ(words.type(), KvType::kQ3);
  EXPECT_EQ(words.head_dim(), 96);
  EXPECT_EQ(words.num_kv_heads(), 3);
  // Page 2, offset 7, head 1.
  EXPECT_EQ(words.row(2 * kPageTokens + 7, 1), (2 * 3 + 1) * kPageTokens + 7);
}

}  // namespace
}  // namespace trellis
