#include "server/models/model_directory.h"

#include "base/error.h"

#include <algorithm>
#include <system_error>

namespace trellis::server {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostNameBytes = 255;

}  // namespace

bool is_model_name(std::string_view name) {
  if (name.empty() || name.size() > kMostNameBytes || name.front() == '.') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte != 0x7f && c != '/' && c != '\\';
  });
}

std::vector<std::string> scan_models(const fs::path& directory) {
  std::vector<std::string> names;
  try {
    for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
      const std::string name = entry.path().filename().string();
      std::error_code ignored;
      if (!is_model_name(name) || !fs::is_directory(entry.symlink_status(ignored))) continue;
      if (fs::is_regular_file(entry.path() / "config.json", ignored)) names.push_back(name);
    }
  } catch (const fs::filesystem_error& error) {
    throw UserError(
        "--models-dir {}: cannot be read: {}", directory.string(), error.code().message()
    );
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace trellis::server
