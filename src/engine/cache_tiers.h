// The bytes behind the lower tiers of the prefix cache: moves pages between the device, the host's
// memory and a directory. What is to move between the first two the scheduler says. What is on the
// disk alone is read into the second before the sequence that wants it starts. Each full page is
// written there as soon as it is in the second; one that is not full when the engine ends, because
// it may have become longer until then.
#pragma once

#include "backend/backend.h"
#include "cache/cache_storage.h"
#include "cache/host_pages.h"
#include "cache/page_directory.h"
#include "engine/page_move.h"
#include "engine/prefix_sharing.h"
#include "engine/sequence.h"
#include "trellis/engine_stats.h"

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace trellis {

/// Borrows backend and storage, which must outlive it. Engine thread.
class CacheTiers {
 public:
  using Clock = std::chrono::steady_clock;

  static constexpr std::chrono::seconds kReadPatience{5};
  /// To compute fewer tokens takes no longer than to read a page.
  static constexpr int64_t kWorthReading = 16;

  /// directory: may be null. Throws UserError where the host has not enough memory for
  /// num_host_pages.
  CacheTiers(
      Backend& backend, const CacheStorage& storage, const CacheSpec& spec, int num_host_pages,
      std::unique_ptr<PageDirectory> directory
  );
  CacheTiers(const CacheTiers&) = delete;
  CacheTiers& operator=(const CacheTiers&) = delete;
  ~CacheTiers();

  TierBelow below() { return {&host_pages_, directory_ != nullptr}; }

  /// Issues these moves, in this order, behind what was issued to the backend before.
  void move(const std::vector<PageMove>& moves);
  /// Waits for the copies to the host that were issued so far.
  void settle();

  /// Begins to read the pages of a sequence that begins to wait, as far as they are on the disk
  /// alone. It awaits them then, but not for longer than kReadPatience.
  void fetch(Sequence& sequence, PrefixCache& prefixes);
  /// Takes in what the disk has done, and gives it more to do. Waits for nothing.
  void poll();
  /// Waits until poll() has something to take in, or until then; not at all where the disk is idle.
  void wait(Clock::time_point until);
  /// Whether something is on its way to the host or the disk.
  bool is_busy() const;
  /// Works until that is not so, or until then.
  void flush(Clock::time_point until);

  /// flush(), and the pages that are not full, as far as those before them are on the disk. The
  /// engine is to end.
  void flush_parts(const PrefixCache& prefixes, Clock::time_point until);

  CacheTierStats host_stats() const;
  CacheTierStats disk_stats() const;

 private:
  /// A copy to a place that was issued and not waited for.
  struct Save {
    int place;
    std::function<void()> wait;
    bool is_for_disk = false;
  };
  /// A page that is in a place, and not on the disk yet.
  struct Unwritten {
    int place;
    Hash128 hash;
  };
  /// A page that is being read, and who waits for it.
  struct Read {
    Hash128 hash;
    std::vector<std::shared_ptr<int>> waiters;
  };

  /// How many pages a sequence awaits, and until when.
  struct Fetch {
    std::shared_ptr<int> num_awaited;
    Clock::time_point until;
  };

  std::span<std::byte> memory(int place) const;
  void start_save(PageId page, int place, bool is_for_disk);
  void settle(std::vector<Save>::iterator save);
  /// The sequence is to wait until the page has been read. False where that is not possible.
  bool await(Sequence& sequence, const Hash128& hash);
  /// The read of the page, begun where it is not under way; null where that is not possible.
  Read* start_read(const Hash128& hash);
  void finish_read(const PageDirectory::Finished& finished);
  void write();

  Backend& backend_;
  const CacheStorage& storage_;
  size_t page_bytes_;
  HostPages host_pages_;
  Buffer memory_;            // [places, page bytes]
  std::vector<Save> saves_;  // in the order in which they were issued
  std::deque<Unwritten> unwritten_;
  std::vector<Read> reads_;
  std::deque<Fetch> fetches_;  // by time
  int64_t num_restored_ = 0;
  int64_t num_read_ = 0;
  int64_t num_dropped_ = 0;
  std::unique_ptr<PageDirectory> directory_;  // last: its threads use the memory
};

}  // namespace trellis
