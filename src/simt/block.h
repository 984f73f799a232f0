// One block of a kernel at a time: its threads as fibers, and who may run. Threads give way only
// where they must wait for others; the next to run is the next runnable lane of the same warp, then
// of the next warp.
#pragma once

#include "simt/async_copy.h"
#include "simt/collective.h"
#include "simt/context.h"
#include "simt/mbarrier.h"
#include "simt/shared_memory.h"
#include "simt/vector_types.h"
#include "simt/warpgroup.h"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace simt {

constexpr int kWarpLanes = 32;
constexpr int kMaxWarps = 32;

struct Warp;

/// What a thread waits for, for the report of a deadlock.
struct Wait {
  const char* operation = nullptr;
  unsigned mask = 0;  // of a warp operation; 0 for waits of the block
  Where where;
};

/// A thread of the block with the stack it runs on.
struct Fiber {
  uint3 index;
  Context context;
  Warp* warp = nullptr;
  unsigned lane = 0;
  Wait wait;
  AsyncCopies copies;
  WarpgroupProducts products;
};

/// Lanes of one mask that wait for each other.
struct Meeting {
  unsigned mask = 0;
  unsigned arrived = 0;
  const char* operation = nullptr;
  unsigned generation = 0;
  std::array<char, 2> order{};  // for thread sanitizer, used in turn
};

struct Warp {
  unsigned index = 0;
  unsigned launched = 0;
  unsigned runnable = 0;
  unsigned ended = 0;
  std::array<void*, kWarpLanes> operands{};
  std::array<Meeting, kWarpLanes> meetings{};
};

/// Threads that wait for a number of others, whichever they are.
struct Barrier {
  unsigned arrived = 0;
  unsigned generation = 0;
  std::array<unsigned, kMaxWarps> waiting{};  // lanes, by warp
  std::array<char, 2> order{};
};

/// The block that runs. Its fibers and their stacks are kept for the next one.
class Block {
 public:
  /// Runs the kernel for one block after the other. Returns what went wrong, empty if nothing did.
  std::string run_grid(
      const void* kernel, dim3 grid, dim3 block, std::size_t dynamic_shared_bytes,
      const std::function<void()>& body
  );

  void meet(
      unsigned mask, void* operand, Combine combine, const char* operation, const Where& where
  );

  /// Waits for all threads of the block that have not ended.
  void meet_block(const char* operation, const Where& where);

  /// Waits for the four warps of the warpgroup.
  void meet_warpgroup(const char* operation, const Where& where);

  /// Lets others run until notify() is called, and fails if that never happens.
  void wait_for_notice(const char* operation, const Where& where);
  void notify();

  [[noreturn]] void fail(const std::string& what, const Where& where);

  SharedMemory& shared() { return shared_; }
  BulkCopies& bulk_copies() { return bulk_copies_; }

 private:
  static void thread_main();

  void run_block(uint3 index);
  void start_threads(uint3 index);
  void
  arrive(Barrier& barrier, unsigned expected, bool orders, const char* operation, const Where&);
  void release(Barrier& barrier);
  void end_thread(Fiber& fiber);
  void wait_in(Fiber& fiber, const Wait& wait);
  void run_next(Fiber& fiber);
  void resume(Context& from, Fiber& fiber);
  std::string describe_deadlock() const;
  std::string describe_block() const;

  const void* kernel_ = nullptr;
  const std::function<void()>* body_ = nullptr;
  unsigned num_threads_ = 0;
  unsigned num_warps_ = 0;
  unsigned num_live_ = 0;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::array<Warp, kMaxWarps> warps_{};
  Barrier barrier_;
  std::array<Barrier, kMaxWarps / 4> warpgroups_{};
  Barrier notice_;
  SharedMemory shared_;
  BulkCopies bulk_copies_;
  std::unique_ptr<Context> host_;
  std::string failure_;
  char starts_ = 0;  // for thread sanitizer
  char ends_ = 0;
};

/// The one block of the process; a launch holds launch_mutex() while it uses it.
Block& running_block();

/// The running thread.
Fiber& current_fiber();

}  // namespace simt
