// A file that is part of the program. trellis_embed_files (cmake/TrellisEmbed.cmake) makes tables
// of them; whoever uses one declares it: std::span<const EmbeddedFile> NAME();
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace trellis {

struct EmbeddedFile {
  std::string_view name;    // below the folder it came from
  std::string_view sha256;  // of its bytes, in hexadecimal
  std::string_view bytes;
};

}  // namespace trellis
