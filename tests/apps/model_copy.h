// A model directory that a test may damage.
#pragma once

#include "base/json.h"
#include "base/temporary_directory.h"

#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

namespace trellis {

inline const std::string kTinyModel = TRELLIS_SOURCE_DIR "/tests/data/models/tiny-1m";
inline const std::string kTinyExl3Model = kTinyModel + "-exl3-3.0bpw";
inline const std::string kBundledModel = TRELLIS_SOURCE_DIR "/models/demo-25m-exl3-4.0bpw";

/// A copy of a model of one safetensors file.
class ModelCopy {
 public:
  explicit ModelCopy(const std::string& model = kTinyModel) {
    for (const char* name :
         {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
          kWeights}) {
      std::filesystem::copy_file(std::filesystem::path(model) / name, file(name));
      std::filesystem::permissions(file(name), std::filesystem::perms::owner_all);
    }
  }

  std::string path() const { return directory_.path().string(); }
  std::filesystem::path file(const char* name) const { return directory_.path() / name; }
  void write(const std::string& name, std::string_view bytes) const {
    directory_.write(name, bytes);
  }

  void set_config(const std::string& key, const Json& value) const {
    Json config = read_json_file(file("config.json"));
    config[key] = value;
    write("config.json", config.dump());
  }
  void truncate_weights(uintmax_t bytes) const {
    std::filesystem::resize_file(file(kWeights), bytes);
  }

  /// Puts `bytes` at an offset of the weights' file.
  void patch_weights(size_t offset, std::string_view bytes) const {
    std::fstream stream(file(kWeights), std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(static_cast<std::streamoff>(offset));
    stream.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  /// Puts `bytes` at the beginning of a tensor.
  void patch_tensor(const std::string& name, std::string_view bytes) const {
    const auto [header, size] = read_header();
    const Json tensors = parse_json(header, kWeights);
    patch_weights(sizeof(size) + size + tensors[name]["data_offsets"][0].get<size_t>(), bytes);
  }
  /// Gives a tensor another name of the same length.
  void rename_tensor(const std::string& name, const std::string& new_name) const {
    const auto [header, size] = read_header();
    patch_weights(sizeof(size) + header.find('"' + name + '"') + 1, new_name);
  }

 private:
  static constexpr const char* kWeights = "model.safetensors";

  std::pair<std::string, uint64_t> read_header() const {
    std::ifstream stream(file(kWeights), std::ios::binary);
    uint64_t size = 0;
    stream.read(reinterpret_cast<char*>(&size), sizeof(size));
    std::string header(size, '\0');
    stream.read(header.data(), static_cast<std::streamsize>(size));
    return {header, size};
  }

  TemporaryDirectory directory_;
};

}  // namespace trellis
