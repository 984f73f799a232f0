// Safetensors files put together by hand, so that tests can also write what no writer would.
#pragma once

#include "base/json.h"
#include "tensor/dtype.h"

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace trellis {

/// The 8 bytes that a file begins with.
inline std::string header_length(uint64_t length) {
  std::string bytes(8, '\0');
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>((length >> (8 * i)) & 0xFF);
  return bytes;
}

/// A file of any header text and any data.
inline std::string raw_safetensors(std::string_view header, std::string_view data) {
  return header_length(header.size()) + std::string(header) + std::string(data);
}

/// One tensor of a valid file.
struct RawTensor {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
  std::string data;
};

/// A tensor of numbers that lie in memory as the file wants them.
template <typename T>
RawTensor raw_tensor(
    const std::string& name, DType dtype, const std::vector<int64_t>& shape,
    const std::vector<T>& values
) {
  RawTensor tensor{name, dtype, shape, std::string(values.size() * sizeof(T), '\0')};
  if (!values.empty()) std::memcpy(tensor.data.data(), values.data(), tensor.data.size());
  return tensor;
}

/// A valid file. header_padding spaces after the header move the data to any alignment.
inline std::string make_safetensors(
    const std::vector<RawTensor>& tensors, size_t header_padding = 0
) {
  Json header = Json::object();
  std::string data;
  for (const RawTensor& tensor : tensors) {
    const size_t begin = data.size();
    data += tensor.data;
    header[tensor.name] = {
        {"dtype", dtype_name(tensor.dtype)},
        {"shape", tensor.shape},
        {"data_offsets", {begin, data.size()}}
    };
  }
  return raw_safetensors(header.dump() + std::string(header_padding, ' '), data);
}

}  // namespace trellis
