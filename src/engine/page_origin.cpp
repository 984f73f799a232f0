#include "engine/page_origin.h"

#include "backend/args.h"
#include "base/checksum.h"
#include "base/mapped_file.h"

#include <algorithm>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace trellis {
namespace {

Hash128 text_checksum(const std::string& text) {
  return checksum128(std::as_bytes(std::span(text)));
}

/// Of config.json and all weights, wherever they lie.
Hash128 model_checksum(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files = {directory / "config.json"};
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::string sums;
  for (const std::filesystem::path& path : files) {
    const MappedFile file(path);
    const Hash128 sum = checksum128(std::as_bytes(file.bytes()));
    sums += fmt::format("{} {:x} {:x}\n", path.filename().string(), sum.high, sum.low);
  }
  return text_checksum(sums);
}

}  // namespace

PageOrigin page_origin(
    const EngineOptions& options, const Backend& backend, const CacheSpec& spec
) {
  // All that can change a bit of a page.
  const std::string format = fmt::format(
      "version {}; pages of {} tokens, {} layers, {} heads of {}, {}; {} {}, exact {}, apart {}",
      TRELLIS_VERSION, kPageTokens, spec.num_layers, spec.num_kv_heads, spec.head_dim,
      kv_types_name(spec.types), backend.name(), backend.isa(), options.exact_activations,
      options.deterministic
  );
  return {model_checksum(options.model_directory), text_checksum(format)};
}

}  // namespace trellis
