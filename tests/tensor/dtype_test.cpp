#include "tensor/dtype.h"

#include <gtest/gtest.h>

#include <string>

namespace trellis {
namespace {

struct Expected {
  DType dtype;
  const char* name;
  size_t bytes;
};

/// Names and sizes as the safetensors format defines them.
class DTypes : public ::testing::TestWithParam<Expected> {};

TEST_P(DTypes, HaveTheirNameAndSize) {
  EXPECT_EQ(dtype_name(GetParam().dtype), GetParam().name);
  EXPECT_EQ(dtype_bytes(GetParam().dtype), GetParam().bytes);
}

INSTANTIATE_TEST_SUITE_P(
    All, DTypes,
    ::testing::Values(
        Expected{DType::kFloat32, "F32", 4}, Expected{DType::kFloat16, "F16", 2},
        Expected{DType::kBFloat16, "BF16", 2}, Expected{DType::kFloat64, "F64", 8},
        Expected{DType::kInt8, "I8", 1}, Expected{DType::kUint8, "U8", 1},
        Expected{DType::kInt16, "I16", 2}, Expected{DType::kUint16, "U16", 2},
        Expected{DType::kInt32, "I32", 4}, Expected{DType::kUint32, "U32", 4},
        Expected{DType::kInt64, "I64", 8}, Expected{DType::kUint64, "U64", 8},
        Expected{DType::kBool, "BOOL", 1}, Expected{DType::kFloat8E4M3, "F8_E4M3", 1},
        Expected{DType::kFloat8E5M2, "F8_E5M2", 1}
    ),
    [](const auto& info) { return std::string(info.param.name); }
);

}  // namespace
}  // namespace trellis
