// One golden file as typed copies of its tensors, and the checks of each kind of file. Every
// check reports through GoogleTest; see tests/golden/exl3/README.md for what the files promise.
#pragma once

#include "base/error.h"
#include "checkpoint/safetensors.h"
#include "exl3/codebook.h"

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

namespace trellis::golden {

/// A tensor of 16- or 32-bit elements, copied to aligned memory.
template <typename T>
struct Values {
  Shape shape;
  std::vector<T> data;
};

/// Copies the tensor `name`. Throws UserError unless it exists with that dtype and rank.
template <typename T>
Values<T> read(const SafetensorsFile& file, const std::string& name, DType dtype, int rank) {
  const ConstTensor tensor = file.tensor(name);
  if (tensor.dtype() != dtype || tensor.rank() != rank) {
    throw UserError(
        "{}: {} has dtype {} and shape {}, expected {} and {} dimensions", file.path().string(),
        name, dtype_name(tensor.dtype()), tensor.shape().to_string(), dtype_name(dtype), rank
    );
  }
  Values<T> values{tensor.shape(), std::vector<T>(static_cast<size_t>(tensor.numel()))};
  if (sizeof(T) != dtype_bytes(dtype)) throw UserError("{}: element size", name);
  if (!values.data.empty()) std::memcpy(values.data.data(), tensor.data(), tensor.bytes());
  return values;
}

/// Throws UserError unless a tensor of that name has this shape.
inline void expect_shape(const std::string& name, const Shape& found, const Shape& expected) {
  if (found == expected) return;
  throw UserError("{} has shape {}, expected {}", name, found.to_string(), expected.to_string());
}

/// The tables of all three codebooks.
void check_codebooks(const SafetensorsFile& file);
/// A linear layer: its states, its decoded matrix and what it makes of the inputs.
void check_linear(const SafetensorsFile& file);
/// Tiles for the encoder, and the reference's own encoding of them.
void check_encoding(const SafetensorsFile& file);
/// Rows through the quantized KV cache.
void check_kv(const SafetensorsFile& file);

/// Finds out from the tensors what the file holds and checks it. Throws UserError if the file
/// cannot be read, lacks a tensor, or is of no known kind.
void check_file(const std::filesystem::path& path);

}  // namespace trellis::golden
