// Writes a model's tensors as safetensors: one file, or shards with an index when a size limit asks
// for them. A file appears under its name only once it is complete.
#pragma once

#include "base/output_file.h"
#include "tensor/tensor.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace trellis {

using SafetensorsMetadata = std::map<std::string, std::string>;

/// Writes one file whole, by way of a temporary file beside it, and replaces what was there. Throws
/// UserError if it cannot be written or two tensors have one name.
void write_safetensors(
    const std::filesystem::path& path,
    const std::vector<std::pair<std::string, ConstTensor>>& tensors,
    const SafetensorsMetadata& metadata = {{"format", "pt"}}
);

/// Takes tensors one by one and keeps none of them in memory. Used by one thread.
class SafetensorsWriter {
 public:
  static constexpr uint64_t kDefaultShardBytes = uint64_t{8} << 30;

  /// The files will be model.safetensors, or model-00001-of-0000N.safetensors with
  /// model.safetensors.index.json if one shard would exceed max_shard_bytes of tensors. The
  /// directory must exist and hold no weights yet. Throws UserError.
  explicit SafetensorsWriter(
      const std::filesystem::path& directory, uint64_t max_shard_bytes = kDefaultShardBytes,
      SafetensorsMetadata metadata = {{"format", "pt"}}
  );

  /// Appends one tensor with contiguous rows; its data is written before this returns. A tensor
  /// larger than the limit gets a shard of its own. Throws UserError on a name used before, or if
  /// the disk is full.
  void add(const std::string& name, const ConstTensor& tensor);

  /// Completes all files and gives them their names. Returns their paths, the index last. Call
  /// once. Without it, nothing stays in the directory.
  std::vector<std::filesystem::path> finish();

 private:
  struct Item {
    std::string name;
    DType dtype;
    Shape shape;
    uint64_t offset;  // in the open shard's data
    uint64_t bytes;
  };
  struct Shard {
    std::vector<std::string> names;
    std::unique_ptr<OutputFile> file;
  };

  void close_shard();
  std::filesystem::path write_index();

  std::filesystem::path directory_;
  uint64_t max_shard_bytes_;
  SafetensorsMetadata metadata_;
  std::set<std::string> names_;
  std::unique_ptr<OutputFile>
      data_;                 // of the open shard, in the order of add(); null between shards
  std::vector<Item> items_;  // of the open shard
  uint64_t data_bytes_ = 0;  // of the open shard
  uint64_t total_bytes_ = 0;
  std::vector<Shard> shards_;
};

}  // namespace trellis
