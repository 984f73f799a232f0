#include "cache/page_file.h"

#include "backend/args.h"
#include "base/checksum.h"
#include "base/error.h"
#include "base/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <string>
#include <type_traits>

namespace trellis {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers lie in files as in memory");

constexpr std::array<char, 8> kMagic = {'T', 'R', 'L', 'P', 'A', 'G', 'E', '\n'};
constexpr uint32_t kVersion = 2;
constexpr unsigned kFileMode = 0600;

struct FileHeader {
  std::array<char, 8> magic = kMagic;
  uint32_t version = kVersion;
  uint32_t num_tokens = 0;
  Hash128 model;
  Hash128 format;
  Hash128 parent;
  Hash128 hash;
  uint64_t payload_bytes = 0;
  std::array<int32_t, kPageTokens> tokens = {};
  Hash128 payload_checksum;
  Hash128 header_checksum;
};
static_assert(std::is_trivially_copyable_v<FileHeader>);
static_assert(sizeof(FileHeader) == 16 + 4 * 16 + 8 + kPageTokens * 4 + 2 * 16, "no holes");

Hash128 header_checksum(const FileHeader& header) {
  return checksum128(
      std::as_bytes(std::span(&header, 1)).first(offsetof(FileHeader, header_checksum))
  );
}

/// A page file that is being read.
class InputFile {
 public:
  explicit InputFile(const std::filesystem::path& path)
      : path_(path),
        descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)) {
    if (descriptor_ < 0) throw wrong(fmt::format("cannot be opened: {}", std::strerror(errno)));
  }
  ~InputFile() { ::close(descriptor_); }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  UserError wrong(const std::string& what) const {
    return UserError("{}: {}", path_.string(), what);
  }

  size_t size() const {
    struct stat status = {};
    if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
      throw wrong("is not a regular file");
    }
    return static_cast<size_t>(status.st_size);
  }

  void read(std::span<std::byte> to) const {
    while (!to.empty()) {
      const ssize_t count = ::read(descriptor_, to.data(), std::min(to.size(), kMostAtOnce));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) throw wrong(fmt::format("cannot be read: {}", std::strerror(errno)));
      if (count == 0) throw wrong("is cut off");
      to = to.subspan(static_cast<size_t>(count));
    }
  }

  /// So that the directory knows when it was used.
  void touch() const { ::futimens(descriptor_, nullptr); }

 private:
  static constexpr size_t kMostAtOnce = size_t{1} << 30;  // the kernel takes less than 2 GiB

  std::filesystem::path path_;
  int descriptor_;
};

FileHeader read_header(const InputFile& file) {
  const size_t size = file.size();
  if (size < sizeof(FileHeader)) throw file.wrong("is cut off");
  FileHeader header;
  file.read(std::as_writable_bytes(std::span(&header, 1)));
  if (header.magic != kMagic) throw file.wrong("is not a page of a cache");
  if (header.version != kVersion) {
    throw file.wrong(fmt::format("is of version {}, not {}", header.version, kVersion));
  }
  if (header_checksum(header) != header.header_checksum) throw file.wrong("has a damaged header");
  if (header.num_tokens == 0 || header.num_tokens > kPageTokens) {
    throw file.wrong(fmt::format("holds {} tokens, not 1 to {}", header.num_tokens, kPageTokens));
  }
  if (header.payload_bytes != size - sizeof(FileHeader)) {
    throw file.wrong(fmt::format(
        "has {} bytes of payload where {} belong", size - sizeof(FileHeader), header.payload_bytes
    ));
  }
  return header;
}

PageContent content_of(const FileHeader& header) {
  const auto tokens = header.tokens.begin();
  return {{tokens, tokens + header.num_tokens}, header.parent, header.hash};
}

}  // namespace

size_t page_file_bytes(size_t payload_bytes) {
  return sizeof(FileHeader) + payload_bytes;
}

void write_page_file(
    const std::filesystem::path& path, const PageOrigin& origin, const PageContent& content,
    std::span<const std::byte> payload
) {
  TRELLIS_CHECK(
      !content.tokens.empty() && content.tokens.size() <= static_cast<size_t>(kPageTokens),
      "a page has so many tokens"
  );
  FileHeader header;
  header.num_tokens = static_cast<uint32_t>(content.tokens.size());
  header.model = origin.model;
  header.format = origin.format;
  header.parent = content.parent;
  header.hash = content.hash;
  header.payload_bytes = payload.size();
  std::copy(content.tokens.begin(), content.tokens.end(), header.tokens.begin());
  header.payload_checksum = checksum128(payload);
  header.header_checksum = header_checksum(header);

  OutputFile file(path.string() + kUnfinishedSuffix, kFileMode);
  file.write(&header, sizeof(header));
  file.write(payload.data(), payload.size());
  file.rename_to(path);
}

PageFileHeader read_page_header(const std::filesystem::path& path) {
  const FileHeader header = read_header(InputFile(path));
  return {
      {header.model, header.format}, content_of(header), static_cast<size_t>(header.payload_bytes)
  };
}

void read_page_file(
    const std::filesystem::path& path, const PageOrigin& origin, const PageContent& content,
    std::span<std::byte> payload
) {
  const InputFile file(path);
  const FileHeader header = read_header(file);
  const bool is_the_page = PageOrigin{header.model, header.format} == origin &&
                           header.parent == content.parent && header.hash == content.hash &&
                           content_of(header).tokens == content.tokens &&
                           header.payload_bytes == payload.size();
  if (!is_the_page) throw file.wrong("holds another page than its name says");
  file.read(payload);
  if (checksum128(payload) != header.payload_checksum) throw file.wrong("has a damaged payload");
  file.touch();
}

}  // namespace trellis
