#include "base/file_lock.h"

#include "base/error.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace trellis {

FileLock::FileLock(const std::filesystem::path& path)
    : descriptor_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)) {
  if (descriptor_ < 0) {
    throw UserError("{}: cannot be opened: {}", path.string(), std::strerror(errno));
  }
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  const int error = errno;
  ::close(descriptor_);
  if (error == EWOULDBLOCK) {
    throw UserError(
        "{}: is used by another process; give each process a directory of its own",
        path.parent_path().string()
    );
  }
  throw UserError("{}: cannot be locked: {}", path.string(), std::strerror(error));
}

FileLock::~FileLock() {
  ::close(descriptor_);
}

}  // namespace trellis
