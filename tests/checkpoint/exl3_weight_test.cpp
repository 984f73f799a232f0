// EXL3 layers put together by hand; the reference implementation's own files are read in
// model_directories_test.cpp.
#include "checkpoint/exl3_weight.h"

#include "base/error_matchers.h"
#include "base/half.h"
#include "base/temporary_directory.h"
#include "checkpoint/raw_safetensors.h"
#include "checkpoint/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

namespace trellis {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;

constexpr int64_t kIn = 100;   // padded to 128
constexpr int64_t kOut = 200;  // padded to 256
constexpr int kBits = 3;
constexpr int32_t kMcg = -877912083;    // 0xCBAC1FED
constexpr int32_t kMul1 = -2082680531;  // 0x83DCD12D

/// The tensors of one layer by suffix; tests replace or remove some.
class Exl3Weights : public ::testing::Test {
 protected:
  using Tensors = std::map<std::string, RawTensor>;

  static RawTensor words(DType dtype, const std::vector<int64_t>& shape, uint16_t first) {
    int64_t count = 1;
    for (const int64_t size : shape) count *= size;
    std::vector<uint16_t> values(static_cast<size_t>(count));
    std::iota(values.begin(), values.end(), first);
    return raw_tensor("", dtype, shape, values);
  }

  static RawTensor marker(int32_t value) {
    return raw_tensor<int32_t>("", DType::kInt32, {}, {value});
  }

  static RawTensor zeros(DType dtype, int64_t size) {
    return raw_tensor("", dtype, {size}, std::vector<uint16_t>(static_cast<size_t>(size)));
  }

  static Tensors good_layer() {
    return {
        {"trellis", words(DType::kInt16, {8, 16, 16 * kBits}, 0)},
        {"suh", words(DType::kFloat16, {128}, 0x2000)},
        {"svh", words(DType::kFloat16, {256}, 0x3000)},
    };
  }

  /// Writes the layer "l", with an odd number of bytes before it, and loads it.
  Exl3Weight load(const Tensors& tensors, bool with_bias = false) {
    std::vector<RawTensor> raw = {{"a", DType::kInt8, {1}, "x"}};
    for (const auto& [suffix, tensor] : tensors) {
      raw.push_back(tensor);
      raw.back().name = "l." + suffix;
    }
    directory_.write("model.safetensors", make_safetensors(raw));
    checkpoint_ = std::make_unique<Checkpoint>(directory_.path());
    return std::get<Exl3Weight>(load_linear(*checkpoint_, "l", kIn, kOut, with_bias));
  }

  TemporaryDirectory directory_;
  std::unique_ptr<Checkpoint> checkpoint_;
};

TEST_F(Exl3Weights, AreReadWithTheirPaddedSizes) {
  const Exl3Weight weight = load(good_layer());

  EXPECT_EQ(weight.bits, kBits);
  EXPECT_EQ(weight.codebook, exl3::Codebook::k3inst);
  EXPECT_EQ(weight.in_features, kIn);
  EXPECT_EQ(weight.out_features, kOut);
  EXPECT_EQ(weight.padded_in(), 128);
  EXPECT_EQ(weight.padded_out(), 256);
  EXPECT_EQ(std::memcmp(weight.trellis.data(), good_layer()["trellis"].data.data(), 1000), 0);
  ASSERT_EQ(weight.suh.size(), 128u);
  EXPECT_EQ(weight.suh[127], 0x2000 + 127);
  ASSERT_EQ(weight.svh.size(), 256u);
  EXPECT_EQ(weight.svh[255], 0x3000 + 255);
  EXPECT_TRUE(weight.bias.empty());
}

TEST_F(Exl3Weights, TellTheirBitsByTheTrellis) {
  for (int bits = 1; bits <= 8; ++bits) {
    Tensors tensors = good_layer();
    tensors["trellis"] = words(DType::kInt16, {8, 16, 16 * bits}, 0);
    EXPECT_EQ(load(tensors).bits, bits);
  }
}

TEST_F(Exl3Weights, TellTheirCodebookByAMarker) {
  Tensors tensors = good_layer();
  tensors["mcg"] = marker(kMcg);
  EXPECT_EQ(load(tensors).codebook, exl3::Codebook::kMcg);

  tensors.erase("mcg");
  tensors["mul1"] = marker(kMul1);
  EXPECT_EQ(load(tensors).codebook, exl3::Codebook::kMul1);
}

TEST_F(Exl3Weights, ExpandOldSignBits) {
  Tensors tensors = good_layer();
  tensors.erase("suh");
  tensors.erase("svh");
  tensors["su"] = raw_tensor<uint16_t>("", DType::kInt16, {8}, {0x8001, 0, 0, 0, 0, 0, 0, 0xFFFF});
  tensors["sv"] = zeros(DType::kInt16, 16);

  const Exl3Weight weight = load(tensors);

  constexpr uint16_t kPlus = 0x3C00;
  constexpr uint16_t kMinus = 0xBC00;
  ASSERT_EQ(weight.suh.size(), 128u);
  EXPECT_EQ(weight.suh[0], kMinus);
  EXPECT_EQ(weight.suh[1], kPlus);
  EXPECT_EQ(weight.suh[14], kPlus);
  EXPECT_EQ(weight.suh[15], kMinus);
  EXPECT_EQ(weight.suh[16], kPlus);
  EXPECT_EQ(weight.suh[112], kMinus);
  EXPECT_EQ(weight.suh[127], kMinus);
  ASSERT_EQ(weight.svh.size(), 256u);
  EXPECT_THAT(weight.svh, Each(kPlus));
}

TEST_F(Exl3Weights, MixOldSignsWithScales) {
  Tensors tensors = good_layer();
  tensors.erase("suh");
  tensors["su"] = zeros(DType::kInt16, 8);

  const Exl3Weight weight = load(tensors);

  EXPECT_EQ(weight.suh[5], 0x3C00);
  EXPECT_EQ(weight.svh[5], 0x3005);
}

TEST_F(Exl3Weights, AllowZeroScales) {
  Tensors tensors = good_layer();
  tensors["svh"] = zeros(DType::kFloat16, 256);

  EXPECT_THAT(load(tensors).svh, Each(0));
}

TEST_F(Exl3Weights, CutAPaddedBias) {
  Tensors tensors = good_layer();
  tensors["bias"] = words(DType::kFloat16, {256}, 0x3C00);

  const Exl3Weight weight = load(tensors, true);

  EXPECT_EQ(weight.bias.shape(), (Shape{kOut}));
  uint16_t last = 0;
  std::memcpy(&last, static_cast<const char*>(weight.bias.data()) + (kOut - 1) * 2, 2);
  EXPECT_EQ(last, 0x3C00 + kOut - 1);
}

TEST_F(Exl3Weights, WinOverADenseTensorOfTheSameLayer) {
  Tensors tensors = good_layer();
  tensors["weight"] = words(DType::kFloat16, {kOut, kIn}, 0);

  EXPECT_EQ(load(tensors).bits, kBits);
}

TEST_F(Exl3Weights, AreTakenForTheHeadOfATiedModel) {
  load(good_layer());
  std::vector<RawTensor> raw = {words(DType::kFloat16, {kOut, kIn}, 0)};
  raw[0].name = "model.embed_tokens.weight";
  for (const auto& [suffix, tensor] : good_layer()) {
    raw.push_back(tensor);
    raw.back().name = "lm_head." + suffix;
  }
  directory_.write("model.safetensors", make_safetensors(raw));

  const LinearWeight head = load_head(Checkpoint(directory_.path()), kIn, kOut, true);

  EXPECT_TRUE(std::holds_alternative<Exl3Weight>(head));
}

TEST_F(Exl3Weights, AreRefusedWithoutScales) {
  Tensors tensors = good_layer();
  tensors.erase("svh");

  EXPECT_USER_ERROR(load(tensors), AllOf(HasSubstr("\"l.svh\""), HasSubstr("\"l.sv\"")));
}

struct BadLayer {
  const char* name;
  const char* suffix;
  DType dtype;
  std::vector<int64_t> shape;
  std::vector<const char*> message;
};

class BadExl3Weights : public Exl3Weights, public ::testing::WithParamInterface<BadLayer> {};

TEST_P(BadExl3Weights, AreRefusedNamingFileAndTensor) {
  const BadLayer& bad = GetParam();
  Tensors tensors = good_layer();
  size_t bytes = dtype_bytes(bad.dtype);
  for (const int64_t size : bad.shape) bytes *= static_cast<size_t>(size);
  tensors[bad.suffix] = {"", bad.dtype, bad.shape, std::string(bytes, '\1')};

  const std::string message = user_error_of([&] { load(tensors, true); });

  EXPECT_THAT(message, HasSubstr(std::string("model.safetensors: l.") + bad.suffix));
  for (const char* part : bad.message) EXPECT_THAT(message, HasSubstr(part));
}

INSTANTIATE_TEST_SUITE_P(
    Layers, BadExl3Weights,
    ::testing::Values(
        BadLayer{"FlatTrellis", "trellis", DType::kInt16, {8, 16}, {"shape [8, 16]"}},
        BadLayer{"HalfABit", "trellis", DType::kInt16, {8, 16, 24}, {"1 to 8 bits"}},
        BadLayer{"NoBits", "trellis", DType::kInt16, {8, 16, 0}, {"1 to 8 bits"}},
        BadLayer{"NineBits", "trellis", DType::kInt16, {8, 16, 144}, {"1 to 8 bits"}},
        BadLayer{"TransposedTrellis", "trellis", DType::kInt16, {16, 8, 48}, {"[8, 16, 48]"}},
        BadLayer{"UnpaddedTrellis", "trellis", DType::kInt16, {8, 13, 48}, {"[8, 16, 48]"}},
        BadLayer{"FloatTrellis", "trellis", DType::kFloat16, {8, 16, 48}, {"dtype F16"}},
        BadLayer{"WideTrellis", "trellis", DType::kInt32, {8, 16, 48}, {"dtype I32"}},
        BadLayer{"ShortScales", "suh", DType::kFloat16, {100}, {"shape [100]", "[128]"}},
        BadLayer{"WideScales", "svh", DType::kFloat32, {256}, {"dtype F32"}},
        BadLayer{"BFloat16Scales", "svh", DType::kBFloat16, {256}, {"dtype BF16"}},
        BadLayer{"OtherMultiplier", "mcg", DType::kInt32, {}, {"0x01010101", "0xcbac1fed"}},
        BadLayer{"MarkerIsAVector", "mul1", DType::kInt32, {2}, {"shape [2]"}},
        BadLayer{"MarkerIsAFloat", "mul1", DType::kFloat32, {}, {"dtype F32"}},
        BadLayer{"BiasOfAnotherSize", "bias", DType::kFloat16, {128}, {"shape [128]", "[256]"}}
    ),
    [](const auto& info) { return std::string(info.param.name); }
);

TEST_F(Exl3Weights, AreRefusedWithTwoMarkers) {
  Tensors tensors = good_layer();
  tensors["mcg"] = marker(kMcg);
  tensors["mul1"] = marker(kMul1);

  EXPECT_USER_ERROR(load(tensors), AllOf(HasSubstr("\"l\""), HasSubstr("two codebooks")));
}

TEST_F(Exl3Weights, AreRefusedWithNanScales) {
  for (const char* suffix : {"suh", "svh", "bias"}) {
    Tensors tensors = good_layer();
    tensors[suffix] = zeros(DType::kFloat16, std::string(suffix) == "suh" ? 128 : 256);
    tensors[suffix].data.replace(20, 2, "\xff\x7f");

    EXPECT_USER_ERROR(
        load(tensors, std::string(suffix) == "bias"),
        HasSubstr(std::string("l.") + suffix + " holds a NaN or infinity at element 10")
    );
  }
}

TEST_F(Exl3Weights, AreRefusedWithOldSignsOfAnotherLength) {
  Tensors tensors = good_layer();
  tensors.erase("suh");
  tensors["su"] = zeros(DType::kInt16, 7);

  EXPECT_USER_ERROR(load(tensors), HasSubstr("l.su has shape [7]"));
}

}  // namespace
}  // namespace trellis
