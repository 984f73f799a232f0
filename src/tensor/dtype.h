// The element types of tensors, with their sizes and their names in checkpoints.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace trellis {

enum class DType : uint8_t {
  kFloat32,
  kFloat16,
  kBFloat16,
  kFloat64,
  kInt8,
  kUint8,
  kInt16,
  kUint16,
  kInt32,
  kUint32,
  kInt64,
  kUint64,
  kBool,
  kFloat8E4M3,
  kFloat8E5M2,
};

/// Bytes per element.
constexpr size_t dtype_bytes(DType dtype) {
  switch (dtype) {
    case DType::kFloat64:
    case DType::kInt64:
    case DType::kUint64:
      return 8;
    case DType::kFloat32:
    case DType::kInt32:
    case DType::kUint32:
      return 4;
    case DType::kFloat16:
    case DType::kBFloat16:
    case DType::kInt16:
    case DType::kUint16:
      return 2;
    case DType::kInt8:
    case DType::kUint8:
    case DType::kBool:
    case DType::kFloat8E4M3:
    case DType::kFloat8E5M2:
      return 1;
  }
  return 0;
}

/// The name used in safetensors headers, e.g. "F16".
constexpr std::string_view dtype_name(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return "F32";
    case DType::kFloat16:
      return "F16";
    case DType::kBFloat16:
      return "BF16";
    case DType::kFloat64:
      return "F64";
    case DType::kInt8:
      return "I8";
    case DType::kUint8:
      return "U8";
    case DType::kInt16:
      return "I16";
    case DType::kUint16:
      return "U16";
    case DType::kInt32:
      return "I32";
    case DType::kUint32:
      return "U32";
    case DType::kInt64:
      return "I64";
    case DType::kUint64:
      return "U64";
    case DType::kBool:
      return "BOOL";
    case DType::kFloat8E4M3:
      return "F8_E4M3";
    case DType::kFloat8E5M2:
      return "F8_E5M2";
  }
  return "?";
}

}  // namespace trellis
