// The models of a directory: each of its folders that has a config.json is one, and the folder's
// name is by what it is called. Names come from the directory alone, never from a client.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace trellis::server {

/// Whether a folder of that name may be a model: not hidden, without control characters,
/// separators or backslashes, and not too long.
bool is_model_name(std::string_view name);

/// The names of the models in `directory`, sorted. A symbolic link is no folder: what it leads to
/// may lie elsewhere. Throws UserError where the directory cannot be read.
std::vector<std::string> scan_models(const std::filesystem::path& directory);

}  // namespace trellis::server
