// A file that is being written: it disappears again unless it is completed and given its name.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>

namespace trellis {

/// Owns one temporary file. Used by one thread.
class OutputFile {
 public:
  /// Creates or empties the file. A new one has this mode, less the umask. Throws UserError naming
  /// it if that fails.
  explicit OutputFile(const std::filesystem::path& path, unsigned mode = 0666);
  /// Removes the file unless it was renamed.
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  /// Where the file is: its final name once it was renamed.
  const std::filesystem::path& path() const { return path_; }

  /// Appends. Throws UserError, e.g. when the disk is full.
  void write(const void* data, size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }

  /// Waits until all bytes are on the disk; nothing can be appended afterwards.
  void close();

  /// Closes the file and puts it under its final name at once, replacing what was there.
  void rename_to(const std::filesystem::path& final_path);

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  bool renamed_ = false;
};

}  // namespace trellis
