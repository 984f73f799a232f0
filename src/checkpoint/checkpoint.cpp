#include "checkpoint/checkpoint.h"

#include "base/json.h"
#include "checkpoint/unique_keys.h"

namespace trellis {
namespace {

constexpr const char* kIndexName = "model.safetensors.index.json";
constexpr const char* kSingleName = "model.safetensors";
constexpr const char* kExtension = ".safetensors";

Json read_index(const std::filesystem::path& path) {
  const MappedFile file(path);
  const std::string origin = path.string();
  if (file.bytes().size() > kMaxJsonBytes) {
    throw UserError("{}: {} bytes are too large for a JSON file", origin, file.bytes().size());
  }
  const std::string_view text(
      reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()
  );
  UniqueKeys unique_keys(origin);
  try {
    return Json::parse(text, [&](int depth, Json::parse_event_t event, Json& parsed) {
      if (depth > 8) throw UserError("{}: nests too deeply", origin);
      unique_keys.see(event, parsed);
      return true;
    });
  } catch (const Json::exception& error) {
    throw UserError("{}: not valid JSON: {}", origin, error.what());
  }
}

/// A shard is a file of the same directory; anything that could lead elsewhere is refused.
bool is_plain_file_name(const std::string& name) {
  return name.ends_with(kExtension) && name.find_first_of("/\\") == std::string::npos &&
         name.find('\0') == std::string::npos && name != kExtension;
}

}  // namespace

Checkpoint::Checkpoint(const std::filesystem::path& directory) : directory_(directory) {
  if (!std::filesystem::is_directory(directory)) {
    throw UserError("{}: there is no such model directory", directory.string());
  }
  const std::filesystem::path index = directory / kIndexName;
  if (std::filesystem::exists(index)) {
    open_index(index);
  } else {
    open_all();
  }
}

const SafetensorsFile& Checkpoint::open_shard(const std::string& file_name) {
  auto& file = files_[file_name];
  if (!file) file = std::make_unique<SafetensorsFile>(directory_ / file_name);
  return *file;
}

void Checkpoint::open_index(const std::filesystem::path& index) {
  const Json document = read_index(index);
  const auto weight_map = JsonObject(document, index.string()).optional_object("weight_map");
  if (!weight_map) throw UserError("{}: weight_map is missing", index.string());
  for (const auto& [name, value] : weight_map->value().items()) {
    if (!value.is_string() || !is_plain_file_name(value.get_ref<const std::string&>())) {
      throw UserError(
          "{} must be the name of a .safetensors file in the same directory, found {}",
          weight_map->where(name), value.dump()
      );
    }
    const auto& shard = value.get_ref<const std::string&>();
    if (!files_.contains(shard) && !std::filesystem::exists(directory_ / shard)) {
      throw UserError(
          "{}: the shard {} of tensor \"{}\" is missing; download the model completely",
          index.string(), shard, name
      );
    }
    const SafetensorsFile& file = open_shard(shard);
    if (!file.has(name)) {
      throw UserError(
          "{}: there is no tensor \"{}\", which {} places here", file.path().string(), name,
          kIndexName
      );
    }
    owners_[name] = &file;
  }
  if (std::filesystem::exists(directory_ / kSingleName) && !files_.contains(kSingleName)) {
    throw UserError(
        "{}: holds both {} and {}, which does not list it; remove the one that is out of date",
        directory_.string(), kSingleName, kIndexName
    );
  }
  add_unlisted();
}

void Checkpoint::open_all() {
  std::error_code error;
  for (const auto& item : std::filesystem::directory_iterator(directory_, error)) {
    if (item.path().extension() == kExtension) open_shard(item.path().filename().string());
  }
  if (error) throw UserError("{}: cannot be listed: {}", directory_.string(), error.message());
  if (files_.empty()) {
    throw UserError(
        "{}: holds no weights; expected {} or {} with its shards", directory_.string(), kSingleName,
        kIndexName
    );
  }
  add_unlisted();
}

void Checkpoint::add_unlisted() {
  const auto listed = owners_;
  for (const auto& [file_name, file] : files_) {
    for (const auto& [name, entry] : file->entries()) {
      if (listed.contains(name)) continue;
      const auto [it, inserted] = owners_.emplace(name, file.get());
      if (!inserted) {
        throw UserError(
            "{}: tensor \"{}\" is also in {}, and no {} says which counts", file->path().string(),
            name, it->second->path().filename().string(), kIndexName
        );
      }
    }
  }
}

ConstTensor Checkpoint::tensor(const std::string& name) const {
  const auto it = owners_.find(name);
  if (it == owners_.end()) {
    throw UserError("{}: the tensor \"{}\" is missing", directory_.string(), name);
  }
  return it->second->tensor(name);
}

std::string Checkpoint::where(const std::string& name) const {
  const auto it = owners_.find(name);
  const auto& path = it == owners_.end() ? directory_ : it->second->path();
  return fmt::format("{}: {}", path.string(), name);
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> result;
  result.reserve(owners_.size());
  for (const auto& [name, file] : owners_) result.push_back(name);
  return result;
}

size_t Checkpoint::bytes() const {
  size_t total = 0;
  for (const auto& [name, file] : owners_) total += file->tensor(name).bytes();
  return total;
}

}  // namespace trellis
