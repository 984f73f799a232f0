#include "base/half.h"
#include "simt/device_array.h"
#include "simt/kernels.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace trellis::simt_test {
namespace {

template <typename T>
std::vector<T> random_integers(size_t count, int lowest, int highest, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> distribution(lowest, highest);
  std::vector<T> values(count);
  for (T& value : values) value = static_cast<T>(distribution(random));
  return values;
}

/// d += a (rows x depth) * b (depth x columns); at(b, k, column) reads b.
template <typename A, typename B, typename D, typename At>
void multiply_add(
    const std::vector<A>& a, const std::vector<B>& b, std::vector<D>& d, size_t depth,
    size_t columns, At at
) {
  for (size_t i = 0; i < d.size(); ++i) {
    for (size_t k = 0; k < depth; ++k) {
      d[i] += static_cast<D>(a[i / columns * depth + k]) * static_cast<D>(at(b, k, i % columns));
    }
  }
}

template <typename A>
void check_bytes(void (*kernel)(const A*, const int8_t*, int*), int lowest, int highest) {
  const auto a = random_integers<A>(16 * 32, lowest, highest, 1);
  const auto b = random_integers<int8_t>(32 * 8, -128, 127, 2);
  auto d = random_integers<int>(16 * 8, -1000, 1000, 3);
  DeviceArray<A> device_a(a);
  DeviceArray<int8_t> device_b(b);
  DeviceArray<int> device_d(d);

  ASSERT_EQ(run({}, kernel, device_a.data(), device_b.data(), device_d.data()), cudaSuccess);

  multiply_add(a, b, d, 32, 8, [](const auto& m, size_t k, size_t n) { return m[k * 8 + n]; });
  EXPECT_EQ(device_d.values(), d);
}

TEST(SimtMatrix, MultipliesUnsignedBySignedBytes) {
  check_bytes<uint8_t>(multiply_u8s8, 0, 255);
}

TEST(SimtMatrix, MultipliesSignedBytes) {
  check_bytes<int8_t>(multiply_s8s8, -128, 127);
}

/// Small integers, whose products and sums are exact in every format at hand.
TEST(SimtMatrix, MultipliesHalves) {
  const auto a = random_integers<float>(16 * 16, -9, 9, 4);
  const auto b = random_integers<float>(16 * 8, -9, 9, 5);
  auto d = random_integers<float>(16 * 8, -99, 99, 6);
  DeviceArray<__half> device_a(std::vector<__half>(a.begin(), a.end()));
  DeviceArray<__half> device_b(std::vector<__half>(b.begin(), b.end()));
  DeviceArray<float> device_d(d);

  ASSERT_EQ(run({}, multiply_f16, device_a.data(), device_b.data(), device_d.data()), cudaSuccess);

  multiply_add(a, b, d, 16, 8, [](const auto& m, size_t k, size_t n) { return m[k * 8 + n]; });
  EXPECT_EQ(device_d.values(), d);
}

TEST(SimtMatrix, MultipliesBfloat16) {
  const auto a = random_integers<float>(16 * 16, -9, 9, 7);
  const auto b = random_integers<float>(16 * 8, -9, 9, 8);
  auto d = random_integers<float>(16 * 8, -99, 99, 9);
  const auto narrow = [](const std::vector<float>& values) {
    std::vector<uint16_t> bits;
    for (const float value : values) bits.push_back(float_to_bfloat16(value));
    return bits;
  };
  DeviceArray<uint16_t> device_a(narrow(a));
  DeviceArray<uint16_t> device_b(narrow(b));
  DeviceArray<float> device_d(d);

  ASSERT_EQ(run({}, multiply_bf16, device_a.data(), device_b.data(), device_d.data()), cudaSuccess);

  multiply_add(a, b, d, 16, 8, [](const auto& m, size_t k, size_t n) { return m[k * 8 + n]; });
  EXPECT_EQ(device_d.values(), d);
}

using LoadKernel = void (*)(const uint16_t*, uint32_t*, bool);

/// PTX ISA, ldmatrix: a lane holds elements 2 (lane % 4) and the next of row lane / 4.
void check_load(LoadKernel kernel, size_t matrices, bool transposed) {
  const auto in = random_integers<uint16_t>(matrices * 64, 0, 65535, 10);
  DeviceArray<uint16_t> device_in(in);
  DeviceArray<uint32_t> out(32 * matrices);

  ASSERT_EQ(run({}, kernel, device_in.data(), out.data(), transposed), cudaSuccess);

  const std::vector<uint32_t> got = out.values();
  for (size_t lane = 0; lane < 32; ++lane) {
    for (size_t m = 0; m < matrices; ++m) {
      const size_t row = lane / 4;
      const size_t column = lane % 4 * 2;
      const uint16_t* matrix = &in[m * 64];
      const uint32_t low = transposed ? matrix[column * 8 + row] : matrix[row * 8 + column];
      const uint32_t high =
          transposed ? matrix[column * 8 + 8 + row] : matrix[row * 8 + column + 1];
      ASSERT_EQ(got[lane * matrices + m], low | high << 16) << "lane " << lane << " matrix " << m;
    }
  }
}

TEST(SimtMatrix, LoadsFourMatrices) {
  check_load(load_x4, 4, false);
}

TEST(SimtMatrix, LoadsFourMatricesTransposed) {
  check_load(load_x4, 4, true);
}

TEST(SimtMatrix, LoadsTwoMatrices) {
  check_load(load_x2, 2, false);
}

TEST(SimtMatrix, LoadsTwoMatricesTransposed) {
  check_load(load_x2, 2, true);
}

/// PTX ISA, stmatrix: transposed, a lane's elements belong to rows 2 (lane % 4) and the next, of
/// column lane / 4.
TEST(SimtMatrix, StoresFourMatricesTransposed) {
  const auto elements = random_integers<uint32_t>(32 * 4, 0, 0x7FFFFFFF, 10);
  DeviceArray<uint32_t> device_elements(elements);
  DeviceArray<uint16_t> out(4 * 64);

  ASSERT_EQ(run({}, store_x4, device_elements.data(), out.data()), cudaSuccess);

  const std::vector<uint16_t> got = out.values();
  for (size_t i = 0; i < got.size(); ++i) {
    const size_t row = i / 8 % 8;
    const uint32_t pair = elements[(i % 8 * 4 + row / 2) * 4 + i / 64];
    ASSERT_EQ(got[i], static_cast<uint16_t>(pair >> 16 * (row % 2))) << "element " << i;
  }
}

using WarpgroupKernel = void (*)(const __half*, const __half*, int, float*);

void check_warpgroup(WarpgroupKernel kernel, size_t columns) {
  constexpr size_t kDepth = 192;
  const auto a = random_integers<float>(64 * kDepth, -9, 9, 11);
  const auto b = random_integers<float>(columns * kDepth, -9, 9, 12);
  DeviceArray<__half> device_a(std::vector<__half>(a.begin(), a.end()));
  DeviceArray<__half> device_b(std::vector<__half>(b.begin(), b.end()));
  DeviceArray<float> device_d(64 * columns);
  const auto shared_bytes = static_cast<int>(columns * 64 * sizeof(__half));
  ASSERT_EQ(
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes),
      cudaSuccess
  );

  ASSERT_EQ(
      run({.block = 128, .shared_bytes = static_cast<size_t>(shared_bytes)}, kernel,
          device_a.data(), device_b.data(), static_cast<int>(kDepth), device_d.data()),
      cudaSuccess
  );

  std::vector<float> d(64 * columns);
  multiply_add(a, b, d, kDepth, columns, [](const auto& m, size_t k, size_t n) {
    return m[n * kDepth + k];
  });
  EXPECT_EQ(device_d.values(), d);
}

TEST(SimtMatrix, WarpgroupMultipliesBy256Columns) {
  check_warpgroup(warpgroup_multiply_256, 256);
}

TEST(SimtMatrix, WarpgroupMultipliesBy128Columns) {
  check_warpgroup(warpgroup_multiply_128, 128);
}

TEST(SimtMatrix, WarpgroupMultipliesBy64Columns) {
  check_warpgroup(warpgroup_multiply_64, 64);
}

}  // namespace
}  // namespace trellis::simt_test
