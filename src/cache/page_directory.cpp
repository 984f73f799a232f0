#include "cache/page_directory.h"

#include "base/error.h"
#include "base/log.h"
#include "base/output_file.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <utility>

namespace trellis {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPageSuffix = ".page";
constexpr size_t kHashDigits = 32;
/// A sequence's pages are asked for at once.
constexpr size_t kMostReads = 4096;
/// The index has an entry for each, whether it is used or not.
constexpr size_t kMostPages = size_t{1} << 18;

std::string name_of(const Hash128& hash) {
  return fmt::format("{:016x}{:016x}", hash.high, hash.low);
}

std::optional<Hash128> parse_name(const std::string& name) {
  const auto number = [&](size_t begin) -> std::optional<uint64_t> {
    uint64_t value = 0;
    const char* const first = name.data() + begin;
    const auto [next, error] = std::from_chars(first, first + kHashDigits / 2, value, 16);
    if (error != std::errc() || next != first + kHashDigits / 2) return std::nullopt;
    return value;
  };
  if (name.size() != kHashDigits) return std::nullopt;
  const auto high = number(0);
  const auto low = number(kHashDigits / 2);
  if (!high || !low) return std::nullopt;
  return Hash128{*low, *high};
}

void remove_file(const fs::path& path) {
  std::error_code ignored;
  fs::remove(path, ignored);
}

/// The random key of a directory, which it is given where it has none.
SipKey directory_key(const fs::path& path) {
  std::array<char, sizeof(SipKey)> bytes;
  std::ifstream file(path, std::ios::binary);
  SipKey key;
  if (file.read(bytes.data(), bytes.size()) && file.peek() == std::ifstream::traits_type::eof()) {
    std::memcpy(key.data(), bytes.data(), bytes.size());
    return key;
  }
  key = random_sip_key();
  OutputFile output(path.string() + kUnfinishedSuffix, 0600);
  output.write(key.data(), sizeof(key));
  output.rename_to(path);
  return key;
}

SipKey mix(const SipKey& key, const PageOrigin& origin) {
  const Hash128 mixed = siphash128(key, std::as_bytes(std::span(&origin, 1)));
  return {mixed.low, mixed.high};
}

/// A file that has the name of a page, and when it was last used.
struct Found {
  fs::path path;
  size_t bytes = 0;
  fs::file_time_type used;
  PageFileHeader header;
  std::string problem;  // empty: the header is good
};

Found inspect(const fs::path& path, const Hash128& hash) {
  Found found = {path, 0, {}, {}, ""};
  std::error_code error;
  found.bytes = static_cast<size_t>(fs::file_size(path, error));
  if (error) found.bytes = 0;
  found.used = fs::last_write_time(path, error);
  try {
    found.header = read_page_header(path);
    if (found.header.content.hash != hash) {
      found.problem = path.string() + ": its name is that of another page";
    }
  } catch (const UserError& problem) {
    found.problem = problem.what();
  }
  return found;
}

/// Those used longest ago first. What a process left that ended while it wrote is removed.
std::vector<Found> find_page_files(const fs::path& directory) {
  std::vector<Found> found;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const fs::path& path = entry->path();
    if (path.extension() == kUnfinishedSuffix && path.stem().extension() == kPageSuffix) {
      remove_file(path);
    } else if (path.extension() == kPageSuffix) {
      if (const auto hash = parse_name(path.stem().string())) {
        found.push_back(inspect(path, *hash));
      }
    }
  }
  if (error) throw UserError("{}: cannot be read: {}", directory.string(), error.message());
  std::stable_sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
    return a.used < b.used;
  });
  return found;
}

/// Makes the directory where there is none.
PageDirectoryOptions prepare(PageDirectoryOptions options) {
  const std::string path = options.path.string();
  const size_t needed = page_file_bytes(options.page_bytes);
  if (options.max_bytes < needed) {
    throw UserError(
        "{}: a cache of {} bytes does not hold one page, which takes {}; allow it more", path,
        options.max_bytes, needed
    );
  }
  std::error_code error;
  if (options.path.has_parent_path()) fs::create_directories(options.path.parent_path(), error);
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    throw UserError("{}: cannot be made: {}", path, std::strerror(errno));
  }
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
    throw UserError("{}: is not a directory", path);
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    throw UserError(
        "{}: others may write into it, and so into what the model remembers; use a directory of "
        "mode 0700",
        path
    );
  }
  return options;
}

}  // namespace

PageDirectory::PageDirectory(PageDirectoryOptions options)
    : options_(prepare(std::move(options))),
      lock_(options_.path / "lock"),
      key_(mix(directory_key(options_.path / "key"), options_.origin)),
      file_bytes_(page_file_bytes(options_.page_bytes)),
      index_(static_cast<int>(std::min(options_.max_bytes / file_bytes_, kMostPages))),
      writer_(kMostWrites),
      reader_(kMostReads) {
  for (int place = index_.num_places() - 1; place >= 0; --place) free_places_.push_back(place);
  read_all();
}

PageDirectory::~PageDirectory() = default;

SipKey PageDirectory::key() const {
  return key_;
}

void PageDirectory::read_all() {
  std::string problem;
  int num_damaged = 0;
  for (Found& file : find_page_files(options_.path)) {
    if (!file.problem.empty() && num_damaged++ == 0) problem = file.problem;
    const bool is_ours = file.problem.empty() && file.header.origin == options_.origin &&
                         file.header.payload_bytes == options_.page_bytes;
    if (is_ours) {
      for (const fs::path& path : make_room(1)) remove_file(path);
      index_.add(free_places_.back(), std::move(file.header.content));
      free_places_.pop_back();
    } else {
      useless_.push_back({file.path, file.bytes});
    }
    used_bytes_ += file.bytes;
  }
  for (const fs::path& path : make_room(0)) remove_file(path);
  if (num_damaged > 0) {
    log_warn("the cache skips {} damaged files; the first of them: {}", num_damaged, problem);
  }
  log_info(
      "cache directory={} pages={} files_of_no_use={} mib={:.0f}", options_.path.string(),
      index_.num_pages(), useless_.size(), static_cast<double>(used_bytes_) / (1 << 20)
  );
}

fs::path PageDirectory::path_of(const Hash128& hash) const {
  return options_.path / (name_of(hash) + kPageSuffix);
}

std::vector<fs::path> PageDirectory::make_room(size_t num_pages) {
  std::vector<fs::path> paths;
  const auto is_short_of_bytes = [&] {
    return used_bytes_ + num_pages * file_bytes_ > options_.max_bytes;
  };
  while (is_short_of_bytes() && !useless_.empty()) {
    paths.push_back(useless_.front().path);
    used_bytes_ -= useless_.front().bytes;
    useless_.pop_front();
  }
  while (is_short_of_bytes() || free_places_.size() < num_pages) {
    const auto oldest = index_.oldest_leaf([](int) { return true; });
    if (!oldest) break;
    paths.push_back(path_of(index_.remove(*oldest).hash));
    free_places_.push_back(*oldest);
    used_bytes_ -= file_bytes_;
  }
  return paths;
}

bool PageDirectory::is_being_written(const Hash128& hash) const {
  return std::find(writing_.begin(), writing_.end(), hash) != writing_.end();
}

bool PageDirectory::find(const Hash128& hash, std::span<const int32_t> tokens) {
  return is_being_written(hash) || index_.find(hash, tokens).has_value();
}

bool PageDirectory::knows(const PageContent& content) {
  return is_being_written(content.hash) || index_.knows(content);
}

PageDirectory::Part PageDirectory::find_part(
    const Hash128& parent, std::span<const int32_t> tokens
) {
  const PageIndex::Part found = index_.find_part(parent, tokens);
  if (found.place < 0) return {};
  return {index_.content(found.place).hash, found.num_tokens};
}

bool PageDirectory::start_write(
    const PageContent& content, int place, std::span<const std::byte> payload
) {
  if (writing_.size() >= size_t{kMostWrites}) return false;
  const fs::path path = path_of(content.hash);
  std::erase_if(useless_, [&](const Useless& file) {
    if (file.path != path) return false;
    used_bytes_ -= file.bytes;  // it is replaced
    return true;
  });
  std::vector<fs::path> in_the_way = make_room(1);
  // What is being written has its room already.
  if (used_bytes_ + file_bytes_ > options_.max_bytes || free_places_.size() <= writing_.size()) {
    for (const fs::path& file : in_the_way) remove_file(file);
    return false;
  }
  used_bytes_ += file_bytes_;
  writing_.push_back(content.hash);
  ++num_under_way_;
  const auto write = [this, in_the_way = std::move(in_the_way), path, content, place, payload] {
    Finished result = {false, place, content, ""};
    for (const fs::path& file : in_the_way) remove_file(file);
    try {
      write_page_file(path, options_.origin, content, payload);
    } catch (const std::exception& error) {
      result.error = error.what();
    }
    finish(std::move(result));
  };
  TRELLIS_CHECK(writer_.try_post(write), "the writer has room for what is under way");
  return true;
}

bool PageDirectory::start_read(const Hash128& hash, int place, std::span<std::byte> payload) {
  const auto known = index_.place_of(hash);
  if (!known) return false;
  const auto read = [this, content = index_.content(*known), place, payload] {
    Finished result = {true, place, content, ""};
    try {
      read_page_file(path_of(content.hash), options_.origin, content, payload);
    } catch (const std::exception& error) {
      result.error = error.what();
    }
    finish(std::move(result));
  };
  if (!reader_.try_post(read)) return false;
  ++num_under_way_;
  return true;
}

void PageDirectory::finish(Finished finished) {
  const std::lock_guard lock(mutex_);
  finished_.push_back(std::move(finished));
  has_finished_.notify_one();
}

std::vector<PageDirectory::Finished> PageDirectory::finished() {
  std::vector<Finished> result;
  {
    const std::lock_guard lock(mutex_);
    result.swap(finished_);
  }
  num_under_way_ -= static_cast<int>(result.size());
  for (const Finished& each : result) {
    const Hash128& hash = each.content.hash;
    if (!each.error.empty()) ++num_failed_;
    if (each.was_read) {
      const auto known = each.error.empty() ? std::nullopt : index_.place_of(hash);
      if (!known) continue;
      log_warn("{}; the page is computed instead", each.error);
      index_.remove(*known);
      free_places_.push_back(*known);
      useless_.push_front({path_of(hash), file_bytes_});
    } else {
      std::erase(writing_, hash);
      if (each.error.empty()) {
        index_.add(free_places_.back(), each.content);
        free_places_.pop_back();
        continue;
      }
      used_bytes_ -= file_bytes_;
      if (!std::exchange(warned_of_writing_, true)) {
        log_warn("{}; pages that cannot be written are lost when the process ends", each.error);
      }
    }
  }
  return result;
}

void PageDirectory::wait(std::chrono::steady_clock::time_point until) {
  std::unique_lock lock(mutex_);
  has_finished_.wait_until(lock, until, [this] { return !finished_.empty(); });
}

}  // namespace trellis
