// The third tier of the prefix cache: a directory of page files (page_file.h), which survives the
// process. Two threads of its own, one that writes and one that reads, wait for the disk.
//
// Hashes of pages are keyed, as those of the other tiers are, by a random key that lies in the
// directory, so that another process finds them again and nobody else can make pages that collide;
// mixed with the origin of the pages, so that those of different models have different names.
//
// The directory belongs to one process at a time. It never holds more bytes than it may: damaged
// files, which are never used, and pages of other origins go first, then the oldest leaf.
#pragma once

#include "base/file_lock.h"
#include "base/job_thread.h"
#include "cache/page_file.h"
#include "cache/page_index.h"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace trellis {

struct PageDirectoryOptions {
  std::filesystem::path path;
  size_t max_bytes = 0;  // of all page files
  PageOrigin origin;
  size_t page_bytes = 0;  // of a page's payload
};

/// Belongs to the engine thread; what it does on others meets it in finished().
class PageDirectory {
 public:
  /// Pages that wait to be written; the next are refused.
  static constexpr int kMostWrites = 16;

  /// Makes the directory where there is none, and reads what its files say that they hold. Throws
  /// UserError where that is not possible, another process uses it, others may write into it, or it
  /// may not even hold one page.
  explicit PageDirectory(PageDirectoryOptions options);
  /// Waits for what was begun.
  ~PageDirectory();
  PageDirectory(const PageDirectory&) = delete;
  PageDirectory& operator=(const PageDirectory&) = delete;

  /// What to key the hashes of pages with.
  SipKey key() const;

  /// Whether the directory has, or is about to have, the page of this hash with these tokens. It is
  /// marked as used.
  bool find(const Hash128& hash, std::span<const int32_t> tokens);

  /// Whether the directory has, or is about to have, this page or one that begins with it. It is
  /// marked as used.
  bool knows(const PageContent& content);

  /// A page on the disk, and how many of its first positions are as some tokens want them.
  struct Part {
    Hash128 hash;
    int64_t num_tokens = 0;
  };
  /// The page behind `parent` that begins with the most of these tokens. It is marked as used.
  Part find_part(const Hash128& parent, std::span<const int32_t> tokens);
  /// Whether a page of this hash is on the disk.
  bool has(const Hash128& hash) const { return index_.place_of(hash).has_value(); }

  /// Begins to write a page that knows() does not know, from memory that stays as it is until
  /// finished() names the place. False, and nothing is done, where the disk is behind.
  bool start_write(const PageContent& content, int place, std::span<const std::byte> payload);
  /// Begins to read a page that find() knows. False, and nothing is done, where it is not there yet
  /// or too much is being read.
  bool start_read(const Hash128& hash, int place, std::span<std::byte> payload);

  struct Finished {
    bool was_read = false;
    int place = -1;  // as it was given
    PageContent content;
    std::string error;  // empty: the file, or the memory, holds the page
  };
  /// What has ended since the last call.
  std::vector<Finished> finished();
  /// Waits until finished() has something to say, or until then.
  void wait(std::chrono::steady_clock::time_point until);

  bool is_busy() const { return num_under_way_ > 0; }
  size_t num_pages() const { return index_.num_pages(); }
  /// Of all page files.
  size_t bytes() const { return used_bytes_; }
  size_t max_bytes() const { return options_.max_bytes; }
  /// Pages that could not be written, or read.
  int64_t num_failed() const { return num_failed_; }

 private:
  /// A file that is of no use: damaged, or of another origin.
  struct Useless {
    std::filesystem::path path;
    size_t bytes;
  };

  void read_all();
  bool is_being_written(const Hash128& hash) const;
  std::filesystem::path path_of(const Hash128& hash) const;
  /// Forgets pages until there is room for so many more, and returns their files.
  std::vector<std::filesystem::path> make_room(size_t num_pages);
  /// Of the writing and the reading thread.
  void finish(Finished finished);

  PageDirectoryOptions options_;
  FileLock lock_;
  SipKey key_;
  size_t file_bytes_;
  PageIndex index_;
  std::vector<int> free_places_;  // of the index
  std::deque<Useless> useless_;   // those to go first
  std::vector<Hash128> writing_;
  size_t used_bytes_ = 0;
  int num_under_way_ = 0;
  int64_t num_failed_ = 0;
  bool warned_of_writing_ = false;

  std::mutex mutex_;
  std::condition_variable has_finished_;
  std::vector<Finished> finished_;  // guarded by mutex_

  JobThread writer_;  // last: their jobs use the rest
  JobThread reader_;
};

}  // namespace trellis
