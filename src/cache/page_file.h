// One page of the cache as a file: what it holds and where it comes from, then the bytes of
// CacheStorage::save_page(). A file of its own for each page, since a page is large (megabytes), is
// found, evicted and damaged alone, and appears whole or not at all by a rename.
//
//   magic, version, number of tokens: of a full page, or of the beginning of one
//   origin: checksums of the model and of the way that its pages are computed and laid out
//   parent, hash: of the index (PageContent)
//   bytes of the payload
//   the tokens, and zeros in the place of others
//   checksum of the payload, checksum of all this
//   payload
//
// Numbers are little-endian. Files are not trusted: each size is checked before it is used.
#pragma once

#include "base/siphash.h"
#include "cache/page_index.h"

#include <cstddef>
#include <filesystem>
#include <span>

namespace trellis {

/// What pages must have in common to stand for each other.
struct PageOrigin {
  Hash128 model;   // of its files
  Hash128 format;  // of how it is computed, and how a page lies in memory

  bool operator==(const PageOrigin&) const = default;
};

struct PageFileHeader {
  PageOrigin origin;
  PageContent content;
  size_t payload_bytes = 0;
};

/// Bytes of the file of a page.
size_t page_file_bytes(size_t payload_bytes);

/// Writes a page under this path, readable by this user alone; until it is complete, under
/// another name. Throws UserError, e.g. when the disk is full, and leaves nothing behind.
void write_page_file(
    const std::filesystem::path& path, const PageOrigin& origin, const PageContent& content,
    std::span<const std::byte> payload
);

/// Reads what a file says that it holds; the payload itself is not looked at. Throws UserError
/// naming the file and what is wrong with it.
PageFileHeader read_page_header(const std::filesystem::path& path);

/// Reads the payload of the file, which must be that of this page. Throws UserError naming the file
/// and what is wrong with it.
void read_page_file(
    const std::filesystem::path& path, const PageOrigin& origin, const PageContent& content,
    std::span<std::byte> payload
);

/// Behind the name of a file that is not complete.
inline constexpr const char* kUnfinishedSuffix = ".tmp";

}  // namespace trellis
