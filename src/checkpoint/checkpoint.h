// A model directory's weights: one name space over its safetensors files, however they are sharded.
#pragma once

#include "checkpoint/safetensors.h"

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace trellis {

/// Maps the files of a directory. Immutable; may be read from many threads. Views die with it.
class Checkpoint {
 public:
  /// Opens the files that model.safetensors.index.json lists, or else every *.safetensors of the
  /// directory, whose tensor names must then be unique. Throws UserError naming the file at fault.
  explicit Checkpoint(const std::filesystem::path& directory);

  const std::filesystem::path& directory() const { return directory_; }
  bool has(const std::string& name) const { return owners_.contains(name); }
  /// The tensor's view; its data may be unaligned. Throws UserError naming directory and tensor if
  /// there is none.
  ConstTensor tensor(const std::string& name) const;
  /// "<file>: <tensor>", for messages about a tensor. It need not exist.
  std::string where(const std::string& name) const;
  /// Sorted.
  std::vector<std::string> names() const;
  /// Bytes of all tensors together.
  size_t bytes() const;

 private:
  const SafetensorsFile& open_shard(const std::string& file_name);
  void open_index(const std::filesystem::path& index);
  void open_all();
  /// Tensors that no index assigns to a file: each must be in one file only.
  void add_unlisted();

  std::filesystem::path directory_;
  std::map<std::string, std::unique_ptr<SafetensorsFile>> files_;  // by file name
  std::map<std::string, const SafetensorsFile*> owners_;           // by tensor name
};

}  // namespace trellis
