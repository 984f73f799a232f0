// One block of a kernel at a time, or the blocks of one cluster: their threads as fibers, and who
// may run. Threads give way only where they must wait for others; the next to run is the next
// runnable lane of the same warp, then of the next warp, be it another block's.
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
constexpr int kMaxWarps = 32;  // of a block
constexpr int kMaxClusterBlocks = 8;
constexpr int kMaxClusterWarps = kMaxClusterBlocks * kMaxWarps;

struct Block;
struct Warp;

/// What a thread waits for, for the report of a deadlock.
struct Wait {
  const char* operation = nullptr;
  unsigned mask = 0;  // of a warp operation; 0 for waits of the block or the cluster
  Where where;
};

/// A thread with the stack it runs on.
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
  unsigned index = 0;  // among those of all blocks that run
  Block* block = nullptr;
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
  std::array<unsigned, kMaxClusterWarps> waiting{};  // lanes, by warp
  std::array<char, 2> order{};
};

/// A block that runs.
struct Block {
  uint3 index;
  unsigned first_warp = 0;
  unsigned live = 0;  // threads that have not ended
  Barrier barrier;
  std::array<Barrier, kMaxWarps / 4> warpgroups{};
  Barrier notice;
  SharedMemory shared;
  BulkCopies bulk_copies;
};

/// Runs kernels. Fibers and their stacks are kept for the next block.
class Processor {
 public:
  /// Runs the kernel for one block after the other, or for so many neighbours along x at a time.
  /// Returns what went wrong, empty if nothing did.
  std::string run_grid(
      const void* kernel, dim3 grid, dim3 block, unsigned cluster_blocks,
      std::size_t dynamic_shared_bytes, const std::function<void()>& body
  );

  /// Of a block of the last launch.
  std::size_t shared_bytes() const { return blocks_[0]->shared.bytes(); }

  void meet(
      unsigned mask, void* operand, Combine combine, const char* operation, const Where& where
  );

  /// Waits for all threads of the block that have not ended.
  void meet_block(const char* operation, const Where& where);

  /// Waits for all threads of the cluster that have not ended.
  void meet_cluster(const char* operation, const Where& where);

  /// Waits for the four warps of the warpgroup.
  void meet_warpgroup(const char* operation, const Where& where);

  /// Lets others run until notify() is called in the same block, and fails if that never happens.
  void wait_for_notice(const char* operation, const Where& where);
  void notify();

  [[noreturn]] void fail(const std::string& what, const Where& where);

  /// The one of that number in the cluster. Fails the launch if there is none.
  Block& block_of_cluster(unsigned rank, const Where& where);

 private:
  static void thread_main();

  void run_blocks(uint3 first);
  void start_threads(uint3 first);
  void
  arrive(Barrier& barrier, unsigned expected, bool orders, const char* operation, const Where&);
  void release(Barrier& barrier);
  void end_thread(Fiber& fiber);
  void wait_in(Fiber& fiber, const Wait& wait);
  void run_next(Fiber& fiber);
  void resume(Context& from, Fiber& fiber);
  Fiber& fiber_of(const Warp& warp, unsigned lane) const;
  std::string describe_deadlock() const;
  std::string describe_block() const;

  const void* kernel_ = nullptr;
  const std::function<void()>* body_ = nullptr;
  unsigned block_threads_ = 0;
  unsigned block_warps_ = 0;
  unsigned num_threads_ = 0;  // of all blocks that run
  unsigned num_warps_ = 0;
  unsigned num_live_ = 0;
  unsigned num_blocks_ = 1;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<std::unique_ptr<Block>> blocks_;
  std::array<Warp, kMaxClusterWarps> warps_{};
  Barrier cluster_barrier_;
  std::unique_ptr<Context> host_;
  std::string failure_;
  char starts_ = 0;  // for thread sanitizer
  char ends_ = 0;
};

/// The one processor; a launch holds launch_mutex() while it uses it.
Processor& processor();

/// The running thread.
Fiber& current_fiber();

/// Its block.
Block& current_block();

}  // namespace simt
