#include "convert/finished_linears.h"

#include "base/error.h"
#include "checkpoint/safetensors_writer.h"
#include "convert/random_signs.h"
#include "exl3/tile_order.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

namespace trellis {
namespace {

/// Changes whenever the same recipe would give other bytes.
constexpr int kQuantizerVersion = 2;
constexpr const char* kRecipeKey = "recipe";
constexpr const char* kGainKey = "gain";
constexpr const char* kErrorKey = "relative_error";

/// A fingerprint of bytes, 8 at a time; not meant to withstand an adversary.
uint64_t fingerprint(const void* data, size_t bytes) {
  const char* next = static_cast<const char*>(data);
  uint64_t hash = mix_bits(bytes);
  for (; bytes >= sizeof(uint64_t); bytes -= sizeof(uint64_t), next += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, next, sizeof(word));
    hash = mix_bits(hash ^ word);
  }
  uint64_t rest = 0;
  std::memcpy(&rest, next, bytes);
  return mix_bits(hash ^ rest);
}

std::string describe(const LinearRecipe& recipe) {
  return fmt::format(
      "version {} source {} {} {:016x} bits {} codebook {} seed {}", kQuantizerVersion,
      dtype_name(recipe.weight.dtype()), recipe.weight.shape().to_string(),
      fingerprint(recipe.weight.data(), recipe.weight.bytes()), recipe.options.bits,
      exl3::codebook_name(recipe.options.codebook), recipe.options.seed
  );
}

std::string metadata_value(const SafetensorsFile& file, const char* key) {
  const auto found = file.metadata().find(key);
  return found == file.metadata().end() ? "" : found->second;
}

std::optional<double> parse_number(const std::string& text) {
  double value = 0.0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

FinishedLinears::FinishedLinears(const std::filesystem::path& directory) : directory_(directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) throw UserError("{}: cannot be created: {}", directory.string(), error.message());
  const std::filesystem::path lock_file = directory / "lock";
  lock_ = ::open(lock_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock_ < 0) {
    throw UserError("{}: cannot be created: {}", lock_file.string(), std::strerror(errno));
  }
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    ::close(lock_);
    throw UserError(
        "{}: another conversion is writing there; wait for it or choose another output",
        directory.string()
    );
  }
}

FinishedLinears::~FinishedLinears() {
  ::close(lock_);
}

std::filesystem::path FinishedLinears::file_of(const std::string& key) const {
  return directory_ / (key + ".safetensors");
}

std::optional<FinishedLinears::Result> FinishedLinears::find(const LinearRecipe& recipe) const {
  const std::filesystem::path path = file_of(recipe.key);
  if (!std::filesystem::exists(path)) return std::nullopt;
  try {
    const SafetensorsFile file(path);
    const std::optional<double> gain = parse_number(metadata_value(file, kGainKey));
    const std::optional<double> error = parse_number(metadata_value(file, kErrorKey));
    const bool is_whole = gain && error && file.has(recipe.key + ".trellis") &&
                          file.has(recipe.key + ".suh") && file.has(recipe.key + ".svh");
    if (!is_whole || metadata_value(file, kRecipeKey) != describe(recipe)) return std::nullopt;
    return Result{static_cast<float>(*gain), *error};
  } catch (const UserError&) {
    return std::nullopt;  // damaged: quantize the layer again
  }
}

void FinishedLinears::add(const LinearRecipe& recipe, const QuantizedLinear& linear) const {
  const int64_t tile_rows = linear.padded_in / exl3::kTileSize;
  const int64_t tile_columns = linear.padded_out / exl3::kTileSize;
  const uint32_t marker =
      linear.codebook == exl3::Codebook::kMcg ? exl3::kMcgMultiplier : exl3::kMul1Multiplier;
  std::vector<std::pair<std::string, ConstTensor>> tensors = {
      {recipe.key + ".suh", {linear.suh.data(), DType::kFloat16, {linear.padded_in}}},
      {recipe.key + ".svh", {linear.svh.data(), DType::kFloat16, {linear.padded_out}}},
      {recipe.key + ".trellis",
       {linear.trellis.data(), DType::kInt16, {tile_rows, tile_columns, 16 * linear.bits}}},
  };
  if (linear.codebook != exl3::Codebook::k3inst) {
    tensors.emplace_back(
        recipe.key + "." + exl3::codebook_name(linear.codebook),
        ConstTensor(&marker, DType::kInt32, {})
    );
  }
  write_safetensors(
      file_of(recipe.key), tensors,
      {{kRecipeKey, describe(recipe)},
       {kGainKey, fmt::format("{}", linear.gain)},
       {kErrorKey, fmt::format("{}", linear.relative_error)}}
  );
}

std::unique_ptr<SafetensorsFile> FinishedLinears::open(const std::string& key) const {
  return std::make_unique<SafetensorsFile>(file_of(key));
}

void FinishedLinears::remove_all() {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, error)) {
    if (entry.path().extension() == ".safetensors" || entry.path().filename() == "lock") {
      std::filesystem::remove(entry.path(), error);
    }
  }
  std::filesystem::remove(directory_, error);  // stays if someone else's files are in it
}

}  // namespace trellis
