// The safetensors format: an 8-byte header length, a JSON header, then the bytes of all tensors
// without gaps. Reading maps the file; a tensor is a view into it, at any alignment. Nothing in the
// header is trusted. Writing is in safetensors_writer.h.
#pragma once

#include "base/mapped_file.h"
#include "tensor/tensor.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace trellis {

/// Longest header that is read, in bytes; the limit of the format.
inline constexpr uint64_t kMaxSafetensorsHeader = 100'000'000;

/// One tensor of the header.
struct TensorEntry {
  DType dtype = DType::kFloat32;
  Shape shape;
  uint64_t begin = 0;  // bytes from the start of the data section
  uint64_t end = 0;
};

struct SafetensorsHeader {
  std::map<std::string, TensorEntry> tensors;
  std::map<std::string, std::string> metadata;
  size_t data_offset = 0;  // of the data section in the file, in bytes; often unaligned
};

/// Parses and checks the header of a whole file in memory. Afterwards every entry's bytes lie
/// inside the file, do not overlap, leave no gap, and are as many as its shape and dtype say.
/// Throws UserError naming origin and tensor.
SafetensorsHeader parse_safetensors_header(
    std::span<const uint8_t> file, const std::string& origin
);

/// One mapped file. Immutable; may be read from many threads. Views die with it.
class SafetensorsFile {
 public:
  /// Throws UserError if the file is missing or not a valid safetensors file.
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.path(); }
  const std::map<std::string, TensorEntry>& entries() const { return header_.tensors; }
  const std::map<std::string, std::string>& metadata() const { return header_.metadata; }
  bool has(const std::string& name) const { return header_.tensors.contains(name); }
  /// The tensor's view; its data may be unaligned. Throws UserError if there is none of that name.
  ConstTensor tensor(const std::string& name) const;
  /// Sorted.
  std::vector<std::string> names() const;

 private:
  MappedFile file_;
  SafetensorsHeader header_;
};

}  // namespace trellis
