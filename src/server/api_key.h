// Keys of clients, kept as hashes: what they may do, and the file that lists them.
#pragma once

#include "server/reply.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace trellis::server {

/// SHA-256. Enough for keys that are long and random, as keys should be.
using KeyHash = std::array<uint8_t, 32>;

KeyHash hash_key(std::string_view key);

struct ApiKey {
  Access access = Access::kUser;  // kUser or kAdmin
  KeyHash hash{};
  std::string name;  // of whoever holds it, for the log; may be empty
};

/// The line of a key file for this key: "user sha256:HEX name".
std::string key_file_line(const ApiKey& key);

/// Reads lines of "user|admin sha256:HEX [name]"; empty ones and those that begin with # are
/// comments. Throws UserError that names the file and the line.
std::vector<ApiKey> parse_key_file(std::string_view text, const std::string& file);

/// A key file that may change while the server runs.
class KeyFile {
 public:
  /// Throws UserError when the file cannot be read or is wrong.
  KeyFile(std::string path, std::chrono::milliseconds check_every);

  /// The keys as the file has them, which is looked at once in `check_every`. Where it has become
  /// unreadable or wrong, the last keys stay, and the log says so.
  const std::vector<ApiKey>& keys();

 private:
  /// What changes when the file does.
  struct Version {
    int64_t modified_ns = 0;
    uint64_t inode = 0;
    int64_t bytes = 0;
    bool operator==(const Version&) const = default;
  };

  std::optional<Version> version() const;
  void load();

  std::string path_;
  std::chrono::milliseconds check_every_;
  std::chrono::steady_clock::time_point next_check_;
  std::optional<Version> loaded_;
  std::vector<ApiKey> keys_;
};

}  // namespace trellis::server
