#include "cache/cache_storage.h"

#include "base/error_matchers.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace trellis {
namespace {

TEST(CacheStorage, GivesEveryLayerItsOwnKeysAndValues) {
  const auto backend = create_backend("reference", {});
  const CacheSpec spec = {3, 2, 64, same_kv_types(KvType::kFloat16)};
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

TEST(CacheStorage, LaysWordsAndScalesOneAfterTheOther) {
  const auto backend = create_backend("reference", {});
  const CacheSpec spec = {2, 3, 96, {KvType::kQ5, KvType::kQ2}};
  const CacheStorage storage(*backend, spec, 4);
  const auto end_of = [](const Tensor& tensor) {
    return static_cast<const char*>(tensor.data()) + tensor.bytes();
  };

  const char* previous_end = static_cast<const char*>(storage.layer(0).keys.data());
  for (int layer = 0; layer < 2; ++layer) {
    const KvLayer kv = storage.layer(layer);
    EXPECT_EQ(kv.keys.shape(), (Shape{4, 3, kPageTokens, 3 * 5}));
    EXPECT_EQ(kv.key_scales.shape(), (Shape{4, 3, kPageTokens, 3}));
    EXPECT_EQ(kv.values.shape(), (Shape{4, 3, kPageTokens, 3 * 2}));
    EXPECT_EQ(kv.key_side().type(), KvType::kQ5);
    EXPECT_EQ(kv.value_side().type(), KvType::kQ2);
    EXPECT_EQ(kv.value_side().head_dim(), 96);
    for (const Tensor& tensor : {kv.keys, kv.key_scales, kv.values, kv.value_scales}) {
      EXPECT_EQ(static_cast<const char*>(tensor.data()), previous_end);
      previous_end = end_of(tensor);
    }
  }
  const char* begin = static_cast<const char*>(storage.layer(0).keys.data());
  EXPECT_EQ(static_cast<size_t>(previous_end - begin), storage.bytes());
}

TEST(CacheStorage, CopiesAPageOfEveryLayerAndNothingElse) {
  const auto backend = create_backend("reference", {});
  const CacheSpec spec = {2, 3, 96, {KvType::kQ5, KvType::kFloat16}};
  const CacheStorage storage(*backend, spec, 3);
  const auto tensors = [&] {
    std::vector<Tensor> result;
    for (int layer = 0; layer < 2; ++layer) {
      const KvLayer kv = storage.layer(layer);
      for (const Tensor& tensor : {kv.keys, kv.key_scales, kv.values}) result.push_back(tensor);
    }
    return result;
  };
  // Every byte of a tensor's page: 10 times the tensor, plus the page.
  for (size_t i = 0; i < tensors().size(); ++i) {
    const size_t bytes = tensors()[i].bytes() / 3;
    for (size_t page = 0; page < 3; ++page) {
      std::memset(
          static_cast<char*>(tensors()[i].data()) + page * bytes, static_cast<int>(10 * i + page),
          bytes
      );
    }
  }

  storage.copy_page(*backend, 2, 0);

  for (size_t i = 0; i < tensors().size(); ++i) {
    const size_t bytes = tensors()[i].bytes() / 3;
    std::string expected;
    for (const size_t page : {2, 1, 2}) {
      expected += std::string(bytes, static_cast<char>(10 * i + page));
    }
    EXPECT_EQ(std::string(static_cast<char*>(tensors()[i].data()), 3 * bytes), expected);
  }
}

TEST(CacheStorage, SavesAndRestoresAPageOfEveryLayerAndNothingElse) {
  const auto backend = create_backend("reference", {});
  const CacheSpec spec = {2, 3, 96, {KvType::kQ5, KvType::kFloat16}};
  const CacheStorage storage(*backend, spec, 3);
  auto* const bytes = static_cast<uint8_t*>(storage.layer(0).keys.data());
  for (size_t i = 0; i < storage.bytes(); ++i) bytes[i] = static_cast<uint8_t>(i * 7 / 3 + i / 999);
  const std::vector<uint8_t> before(bytes, bytes + storage.bytes());
  std::vector<uint8_t> memory(CacheStorage::bytes_per_page(spec));

  storage.save_page(*backend, 1, memory.data())();

  // The stretches of a layer, one behind the other: 3 pages of words, of scales, of values.
  const size_t rows = size_t{3} * kPageTokens;
  const std::vector<size_t> page_bytes = {rows * 3 * 5 * 4, rows * 3 * 2, rows * 96 * 2};
  std::vector<uint8_t> expected;
  size_t begin = 0;
  for (int layer = 0; layer < 2; ++layer) {
    for (const size_t size : page_bytes) {
      const auto page = before.begin() + static_cast<std::ptrdiff_t>(begin + size);
      expected.insert(expected.end(), page, page + static_cast<std::ptrdiff_t>(size));
      begin += 3 * size;
    }
  }
  EXPECT_EQ(memory, expected);

  storage.restore_page(*backend, memory.data(), 2);

  EXPECT_TRUE(std::equal(before.begin(), before.begin() + page_bytes[0] * 2, bytes));
  std::vector<uint8_t> restored(memory.size());
  storage.save_page(*backend, 2, restored.data())();
  EXPECT_EQ(restored, memory);
  storage.save_page(*backend, 1, restored.data())();
  EXPECT_EQ(restored, memory);
  storage.save_page(*backend, 0, restored.data())();
  EXPECT_NE(restored, memory);
}

TEST(CacheStorage, TakesTheBytesOfTheFormat) {
  // Groups of 32 of 8 heads of 128: 4 bytes per bit, and a scale of 2 bytes, for keys and values.
  const auto bytes = [](KvType keys, KvType values) {
    return CacheStorage::bytes_per_token({1, 8, 128, {keys, values}});
  };
  EXPECT_EQ(bytes(KvType::kQ4, KvType::kQ4), 32u * (4 * 4 + 4 * 4 + 4));
  EXPECT_EQ(bytes(KvType::kQ8, KvType::kQ4), 32u * (4 * 8 + 4 * 4 + 4));
  EXPECT_EQ(bytes(KvType::kFloat16, KvType::kFloat16), 4096u);
  EXPECT_EQ(bytes(KvType::kFloat32, KvType::kQ2), 4096u + 32 * (4 * 2 + 2));
}

TEST(CacheStorage, RefusesToQuantizeHeadsThatGroupsDoNotDivide) {
  const auto backend = create_backend("reference", {});
  EXPECT_USER_ERROR(
      CacheStorage(*backend, {2, 2, 80, {KvType::kQ8, KvType::kFloat16}}, 1),
      testing::AllOf(
          testing::HasSubstr("q8,fp16"), testing::HasSubstr("32"), testing::HasSubstr("80")
      )
  );
  EXPECT_NO_THROW(CacheStorage(*backend, {2, 2, 80, same_kv_types(KvType::kFloat32)}, 1));
}

}  // namespace
}  // namespace trellis
