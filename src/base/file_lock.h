// Keeps what a file stands for to one process at a time.
#pragma once

#include <filesystem>

namespace trellis {

/// Holds the lock until it is destroyed, or the process ends, however it does.
class FileLock {
 public:
  /// Makes the file where there is none, for this user alone. Throws UserError where that is not
  /// possible, or somebody else holds the lock.
  explicit FileLock(const std::filesystem::path& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int descriptor_;
};

}  // namespace trellis
