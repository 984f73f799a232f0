// Bytes as text of 64 characters.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace trellis {

/// With + and /, padded with =. Source: RFC 4648, section 4.
std::string base64_encode(std::span<const std::byte> bytes);

}  // namespace trellis
