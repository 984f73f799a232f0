#include "checkpoint/safetensors_writer.h"

#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"

namespace trellis {
namespace {

constexpr const char* kIndexName = "model.safetensors.index.json";
constexpr size_t kLengthBytes = 8;
constexpr size_t kDataAlignment = 64;

/// The first part of a file: header length and header, padded with spaces so that the data starts
/// aligned.
class HeaderBuilder {
 public:
  explicit HeaderBuilder(const SafetensorsMetadata& metadata) {
    if (!metadata.empty()) document_["__metadata__"] = metadata;
  }

  /// Tensors in the order of their bytes.
  void add(const std::string& name, DType dtype, const Shape& shape, uint64_t bytes) {
    Json sizes = Json::array();
    for (int axis = 0; axis < shape.rank(); ++axis) sizes.push_back(shape[axis]);
    document_[name] = {
        {"dtype", dtype_name(dtype)}, {"shape", sizes}, {"data_offsets", {end_, end_ + bytes}}
    };
    end_ += bytes;
  }

  std::string build() const {
    std::string text = document_.dump();
    const size_t unpadded = kLengthBytes + text.size();
    text.append((kDataAlignment - unpadded % kDataAlignment) % kDataAlignment, ' ');
    std::string length(kLengthBytes, '\0');
    for (size_t i = 0; i < kLengthBytes; ++i) {
      length[i] = static_cast<char>((text.size() >> (8 * i)) & 0xFF);
    }
    return length + text;
  }

 private:
  Json document_ = Json::object();
  uint64_t end_ = 0;
};

/// Wide elements first, otherwise as they are: then each is aligned to its own size, whatever their
/// counts.
template <typename Item, typename GetDType>
std::vector<Item> by_element_size(const std::vector<Item>& items, GetDType dtype_of) {
  std::vector<Item> sorted;
  sorted.reserve(items.size());
  for (const size_t bytes : {8, 4, 2, 1}) {
    for (const Item& item : items) {
      if (dtype_bytes(dtype_of(item)) == bytes) sorted.push_back(item);
    }
  }
  return sorted;
}

void check_contiguous(const ConstTensor& tensor) {
  TRELLIS_CHECK_EQ(tensor.row_stride(), tensor.row_size(), "rows to be written are contiguous");
}

}  // namespace

void write_safetensors(
    const std::filesystem::path& path,
    const std::vector<std::pair<std::string, ConstTensor>>& tensors,
    const SafetensorsMetadata& metadata
) {
  const auto order = by_element_size(tensors, [](const auto& item) { return item.second.dtype(); });
  HeaderBuilder header(metadata);
  std::set<std::string> names;
  for (const auto& [name, tensor] : order) {
    check_contiguous(tensor);
    if (!names.insert(name).second) {
      throw UserError("{}: two tensors are called \"{}\"", path.string(), name);
    }
    header.add(name, tensor.dtype(), tensor.shape(), tensor.bytes());
  }
  OutputFile file(path.string() + ".tmp");
  file.write(header.build());
  for (const auto& [name, tensor] : order) file.write(tensor.data(), tensor.bytes());
  file.rename_to(path);
}

SafetensorsWriter::SafetensorsWriter(
    const std::filesystem::path& directory, uint64_t max_shard_bytes, SafetensorsMetadata metadata
)
    : directory_(directory), max_shard_bytes_(max_shard_bytes), metadata_(std::move(metadata)) {
  if (!std::filesystem::is_directory(directory)) {
    throw UserError("{}: there is no such directory to write to", directory.string());
  }
  std::error_code error;
  for (const auto& item : std::filesystem::directory_iterator(directory, error)) {
    if (item.path().extension() == ".safetensors" || item.path().filename() == kIndexName) {
      throw UserError(
          "{}: exists already; remove it or choose another directory", item.path().string()
      );
    }
  }
  if (error) throw UserError("{}: cannot be listed: {}", directory.string(), error.message());
}

void SafetensorsWriter::add(const std::string& name, const ConstTensor& tensor) {
  check_contiguous(tensor);
  if (!names_.insert(name).second) {
    throw UserError("{}: two tensors are called \"{}\"", directory_.string(), name);
  }
  const uint64_t bytes = tensor.bytes();
  const bool fits = data_bytes_ <= max_shard_bytes_ && bytes <= max_shard_bytes_ - data_bytes_;
  if (!items_.empty() && !fits) close_shard();
  if (!data_) data_ = std::make_unique<OutputFile>(directory_ / "model.data.tmp");
  data_->write(tensor.data(), bytes);
  items_.push_back({name, tensor.dtype(), tensor.shape(), data_bytes_, bytes});
  data_bytes_ += bytes;
  total_bytes_ += bytes;
}

void SafetensorsWriter::close_shard() {
  HeaderBuilder header(metadata_);
  items_ = by_element_size(items_, [](const Item& item) { return item.dtype; });
  for (const Item& item : items_) header.add(item.name, item.dtype, item.shape, item.bytes);

  Shard shard;
  shard.file =
      std::make_unique<OutputFile>(directory_ / fmt::format("model-{:05}.tmp", shards_.size() + 1));
  shard.file->write(header.build());
  if (data_) {
    const MappedFile data(data_->path());
    for (const Item& item : items_) {
      if (item.bytes > 0) shard.file->write(data.bytes().data() + item.offset, item.bytes);
    }
  }
  shard.file->close();
  for (const Item& item : items_) shard.names.push_back(item.name);
  shards_.push_back(std::move(shard));
  data_.reset();
  items_.clear();
  data_bytes_ = 0;
}

std::filesystem::path SafetensorsWriter::write_index() {
  Json weight_map = Json::object();
  for (const Shard& shard : shards_) {
    for (const std::string& name : shard.names) {
      weight_map[name] = shard.file->path().filename().string();
    }
  }
  const Json document = {
      {"metadata", {{"total_size", total_bytes_}}}, {"weight_map", std::move(weight_map)}
  };
  OutputFile file(directory_ / (std::string(kIndexName) + ".tmp"));
  file.write(document.dump(2) + "\n");
  file.rename_to(directory_ / kIndexName);
  return directory_ / kIndexName;
}

std::vector<std::filesystem::path> SafetensorsWriter::finish() {
  if (!items_.empty() || shards_.empty()) close_shard();
  std::vector<std::filesystem::path> paths;
  for (size_t i = 0; i < shards_.size(); ++i) {
    const std::string name =
        shards_.size() == 1
            ? std::string("model.safetensors")
            : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards_.size());
    paths.push_back(directory_ / name);
    shards_[i].file->rename_to(paths.back());
  }
  if (shards_.size() > 1) paths.push_back(write_index());
  return paths;
}

}  // namespace trellis
