#include "cache/cache_storage.h"

#include <gtest/gtest.h>

namespace trellis {
namespace {

TEST(CacheStorage, GivesEveryLayerItsOwnKeysAndValues) {
  const auto backend = create_backend("reference", {});
  const CacheSpec spec = {3, 2, 64, DType::kFloat16};
  const CacheStorage storage(*backend, spec, 5);

  EXPECT_EQ(CacheStorage::bytes_per_page(spec), 2u * 3 * 2 * kPageTokens * 64 * 2);
  EXPECT_EQ(storage.bytes(), 5 * CacheStorage::bytes_per_page(spec));
  const char* previous_end = nullptr;
  for (int layer = 0; layer < 3; ++layer) {
    const KvLayer kv = storage.layer(layer);
    EXPECT_EQ(kv.keys.shape(), (Shape{5, 2, kPageTokens, 64}));
    if (previous_end != nullptr) {
      EXPECT_EQ(static_cast<const char*>(kv.keys.data()), previous_end);
    }
    EXPECT_EQ(
        static_cast<const char*>(kv.keys.data()) + kv.keys.bytes(),
        static_cast<const char*>(kv.values.data())
    );
    previous_end = static_cast<const char*>(kv.values.data()) + kv.values.bytes();
  }
  EXPECT_THROW(storage.layer(3), InternalError);
}

}  // namespace
}  // namespace trellis
