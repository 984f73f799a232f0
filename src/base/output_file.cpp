#include "base/output_file.h"

#include "base/error.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace trellis {
namespace {

UserError cannot(const char* what, const std::filesystem::path& path) {
  return UserError("{}: cannot be {}: {}", path.string(), what, std::strerror(errno));
}

}  // namespace

OutputFile::OutputFile(const std::filesystem::path& path, unsigned mode)
    : path_(path),
      descriptor_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)) {
  if (descriptor_ < 0) throw cannot("created", path);
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!renamed_) ::unlink(path_.c_str());
}

void OutputFile::write(const void* data, size_t bytes) {
  constexpr size_t kMostAtOnce = size_t{1} << 30;  // the kernel takes less than 2 GiB per call
  const auto* next = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::write(descriptor_, next, std::min(bytes, kMostAtOnce));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw cannot("written", path_);
    next += written;
    bytes -= static_cast<size_t>(written);
  }
}

void OutputFile::close() {
  if (descriptor_ < 0) return;
  const bool synced = ::fsync(descriptor_) == 0;
  const int error = errno;
  const bool closed = ::close(std::exchange(descriptor_, -1)) == 0;
  if (!synced) errno = error;
  if (!synced || !closed) throw cannot("written", path_);
}

void OutputFile::rename_to(const std::filesystem::path& final_path) {
  close();
  if (::rename(path_.c_str(), final_path.c_str()) != 0) throw cannot("renamed", path_);
  path_ = final_path;
  renamed_ = true;
}

}  // namespace trellis
