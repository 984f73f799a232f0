#include "simt/block.h"

#include "simt/runtime_state.h"
#include "simt/sanitizers.h"
#include "simt/thread.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

uint3 threadIdx;
uint3 blockIdx;
dim3 blockDim;
dim3 gridDim;

namespace simt {
namespace {

Fiber* current = nullptr;

/// Thrown by fail(), so that what the failed thread holds is given back.
struct ThreadFailed {};

unsigned bit_of(const Fiber& fiber) {
  return 1u << fiber.lane;
}

std::string describe(const Wait& wait) {
  const std::string mask = wait.mask ? fmt::format("(mask {:#010x})", wait.mask) : "";
  const std::string file = wait.where.file_name();
  return fmt::format(
      "wait in {}{} at {}:{} ({})", wait.operation, mask, file.substr(file.rfind('/') + 1),
      wait.where.line(), wait.where.function_name()
  );
}

}  // namespace

Processor& processor() {
  static Processor processor;
  return processor;
}

Fiber& current_fiber() {
  return *current;
}

Block& current_block() {
  return *current->warp->block;
}

std::string Processor::run_grid(
    const void* kernel, dim3 grid, dim3 block, unsigned cluster_blocks,
    std::size_t dynamic_shared_bytes, const std::function<void()>& body
) {
  kernel_ = kernel;
  gridDim = grid;
  blockDim = block;
  body_ = &body;
  num_blocks_ = cluster_blocks;
  block_threads_ = block.x * block.y * block.z;
  block_warps_ = (block_threads_ + kWarpLanes - 1) / kWarpLanes;
  num_threads_ = num_blocks_ * block_threads_;
  num_warps_ = num_blocks_ * block_warps_;
  failure_.clear();
  host_ = std::make_unique<Context>();
  while (blocks_.size() < num_blocks_) blocks_.push_back(std::make_unique<Block>());
  for (unsigned i = 0; i < num_blocks_; ++i) blocks_[i]->shared.begin_launch(dynamic_shared_bytes);
  while (fibers_.size() < num_threads_) {
    fibers_.push_back(std::make_unique<Fiber>());
    fibers_.back()->context.start(thread_main);
  }
  for (unsigned z = 0; z < grid.z && failure_.empty(); ++z) {
    for (unsigned y = 0; y < grid.y && failure_.empty(); ++y) {
      for (unsigned x = 0; x < grid.x && failure_.empty(); x += num_blocks_) run_blocks({x, y, z});
    }
  }
  for (unsigned i = 0; i < num_blocks_; ++i) blocks_[i]->shared.end_launch();
  return std::exchange(failure_, {});
}

void Processor::run_blocks(uint3 first) {
  start_threads(first);
  ordered_before(&starts_);
  resume(*host_, *fibers_[0]);
  current = nullptr;
  if (num_live_ == 0) {
    ordered_after(&ends_);
    for (unsigned i = 0; i < num_blocks_ && failure_.empty(); ++i) {
      blockIdx = blocks_[i]->index;
      if (blocks_[i]->bulk_copies.any()) {
        failure_ = describe_block() + ": ended with bulk copies on their way";
      }
    }
    return;
  }
  for (unsigned i = 0; i < num_threads_; ++i) {
    const AsThread as_thread(fibers_[i]->context.tsan_fiber());
    ordered_before(&ends_);
  }
  ordered_after(&ends_);
  if (failure_.empty()) failure_ = describe_deadlock();
  for (unsigned i = 0; i < num_threads_; ++i) {
    const Fiber& fiber = *fibers_[i];
    if (!(fiber.warp->ended & bit_of(fiber))) fibers_[i]->context.start(thread_main);
  }
}

void Processor::start_threads(uint3 first) {
  num_live_ = num_threads_;
  cluster_barrier_ = {};
  for (unsigned i = 0; i < num_blocks_; ++i) {
    Block& block = *blocks_[i];
    block.index = {first.x + i, first.y, first.z};
    block.first_warp = i * block_warps_;
    block.live = block_threads_;
    block.barrier = {};
    block.warpgroups = {};
    block.notice = {};
    block.shared.begin_block();
    block.bulk_copies.clear();
  }
  for (unsigned w = 0; w < num_warps_; ++w) {
    Warp& warp = warps_[w];
    const unsigned in_block = w % block_warps_;
    const unsigned lanes = std::min<unsigned>(kWarpLanes, block_threads_ - in_block * kWarpLanes);
    warp.index = w;
    warp.block = blocks_[w / block_warps_].get();
    warp.launched = lanes == kWarpLanes ? 0xFFFFFFFFu : (1u << lanes) - 1;
    warp.runnable = warp.launched;
    warp.ended = 0;
    for (Meeting& meeting : warp.meetings) meeting.mask = 0;
  }
  for (unsigned i = 0; i < num_threads_; ++i) {
    Fiber& fiber = *fibers_[i];
    const unsigned thread = i % block_threads_;
    fiber.index = {
        thread % blockDim.x, thread / blockDim.x % blockDim.y, thread / (blockDim.x * blockDim.y)
    };
    fiber.warp = &warps_[i / block_threads_ * block_warps_ + thread / kWarpLanes];
    fiber.lane = thread % kWarpLanes;
    fiber.copies.clear();
    fiber.products.clear();
  }
}

Fiber& Processor::fiber_of(const Warp& warp, unsigned lane) const {
  const unsigned in_block = warp.index - warp.block->first_warp;
  return *fibers_[warp.index / block_warps_ * block_threads_ + in_block * kWarpLanes + lane];
}

void Processor::thread_main() {
  Context::entered();
  Processor& processor = simt::processor();
  while (true) {
    Fiber& self = current_fiber();
    ordered_after(&processor.starts_);
    try {
      (*processor.body_)();
      self.copies.finish();
      if (self.products.any())
        processor.fail("ended with wgmma results outstanding", Where::current());
    } catch (const ThreadFailed&) {
      Context::switch_to(self.context, *processor.host_);  // for good: run_blocks() starts it anew
    }
    ordered_before(&processor.ends_);
    processor.end_thread(self);
  }
}

void Processor::end_thread(Fiber& fiber) {
  fiber.warp->ended |= bit_of(fiber);
  fiber.warp->runnable &= ~bit_of(fiber);
  --num_live_;
  Block& block = *fiber.warp->block;
  --block.live;
  if (block.barrier.arrived != 0 && block.barrier.arrived == block.live) release(block.barrier);
  if (cluster_barrier_.arrived != 0 && cluster_barrier_.arrived == num_live_) {
    release(cluster_barrier_);
  }
  run_next(fiber);
}

void Processor::run_next(Fiber& fiber) {
  Warp* warp = fiber.warp;
  unsigned choice = warp->runnable & ~((2u << fiber.lane) - 1);  // lanes after this one first
  if (!choice) choice = warp->runnable;
  for (unsigned i = 1; !choice && i < num_warps_; ++i) {
    const unsigned next = fiber.warp->index + i;
    warp = &warps_[next < num_warps_ ? next : next - num_warps_];
    choice = warp->runnable;
  }
  if (!choice) {  // all have ended, or nobody can go on
    Context::switch_to(fiber.context, *host_);
    return;
  }
  Fiber& next = fiber_of(*warp, static_cast<unsigned>(std::countr_zero(choice)));
  if (&next == &fiber) return;
  resume(fiber.context, next);
}

void Processor::resume(Context& from, Fiber& fiber) {
  current = &fiber;
  threadIdx = fiber.index;
  blockIdx = fiber.warp->block->index;
  Context::switch_to(from, fiber.context);
}

void Processor::wait_in(Fiber& fiber, const Wait& wait) {
  fiber.wait = wait;
  fiber.warp->runnable &= ~bit_of(fiber);
  run_next(fiber);
}

void Processor::meet(
    unsigned mask, void* operand, Combine combine, const char* operation, const Where& where
) {
  Fiber& self = current_fiber();
  Warp& warp = *self.warp;
  mask &= warp.launched;
  if (!(mask & bit_of(self))) {
    fail(fmt::format("{}: the mask {:#010x} lacks the calling lane", operation, mask), where);
  }
  Meeting* meeting = nullptr;
  for (Meeting& candidate : warp.meetings) {
    if (candidate.mask == mask) {
      meeting = &candidate;
      break;
    }
    if (candidate.mask == 0 && !meeting) meeting = &candidate;
    if (candidate.mask == 0 && candidate.generation == 0) break;  // none was used beyond this one
  }
  if (meeting->mask == 0) {
    meeting->mask = mask;
    meeting->arrived = 0;
    meeting->operation = operation;
    ++meeting->generation;
  } else if (meeting->operation != operation) {
    fail(
        fmt::format(
            "lanes of one mask {:#010x} are in different operations: {} and {}", mask,
            meeting->operation, operation
        ),
        where
    );
  }
  char* order = &meeting->order[meeting->generation & 1];
  ordered_before(order);
  warp.operands[self.lane] = operand;
  meeting->arrived |= bit_of(self);
  if (meeting->arrived == mask) {
    combine(warp.operands.data(), mask);
    meeting->mask = 0;
    warp.runnable |= mask;
  } else {
    wait_in(self, {operation, mask, where});
  }
  ordered_after(order);
}

void Processor::meet_block(const char* operation, const Where& where) {
  Block& block = current_block();
  arrive(block.barrier, block.live, true, operation, where);
}

void Processor::meet_cluster(const char* operation, const Where& where) {
  arrive(cluster_barrier_, num_live_, true, operation, where);
}

void Processor::meet_warpgroup(const char* operation, const Where& where) {
  constexpr unsigned kWarps = 4;
  Block& block = current_block();
  const unsigned warp = current_fiber().warp->index - block.first_warp;
  arrive(block.warpgroups[warp / kWarps], kWarps * kWarpLanes, false, operation, where);
}

void Processor::wait_for_notice(const char* operation, const Where& where) {
  Fiber& self = current_fiber();
  current_block().notice.waiting[self.warp->index] |= bit_of(self);
  wait_in(self, {operation, 0, where});
}

void Processor::notify() {
  release(current_block().notice);
}

void Processor::arrive(
    Barrier& barrier, unsigned expected, bool orders, const char* operation, const Where& where
) {
  Fiber& self = current_fiber();
  char* order = &barrier.order[barrier.generation & 1];
  if (orders) ordered_before(order);
  ++barrier.arrived;
  barrier.waiting[self.warp->index] |= bit_of(self);
  if (barrier.arrived == expected) {
    release(barrier);
  } else {
    wait_in(self, {operation, 0, where});
  }
  if (orders) ordered_after(order);
}

void Processor::release(Barrier& barrier) {
  barrier.arrived = 0;
  ++barrier.generation;
  for (unsigned w = 0; w < num_warps_; ++w) {
    warps_[w].runnable |= std::exchange(barrier.waiting[w], 0);
  }
}

void Processor::fail(const std::string& what, const Where& where) {
  Fiber& self = current_fiber();
  const std::string file = where.file_name();
  failure_ = fmt::format(
      "{}, thread ({}, {}, {}): {} at {}:{} ({})", describe_block(), self.index.x, self.index.y,
      self.index.z, what, file.substr(file.rfind('/') + 1), where.line(), where.function_name()
  );
  throw ThreadFailed();
}

Block& Processor::block_of_cluster(unsigned rank, const Where& where) {
  if (rank >= num_blocks_) {
    fail(fmt::format("block {} of a cluster of {}", rank, num_blocks_), where);
  }
  return *blocks_[rank];
}

std::string Processor::describe_block() const {
  return fmt::format(
      "kernel {}, block ({}, {}, {})", function_name(kernel_), blockIdx.x, blockIdx.y, blockIdx.z
  );
}

std::string Processor::describe_deadlock() const {
  std::string text = describe_block() + ": no thread can go on";
  const auto state = [&](unsigned i) {
    const Fiber& fiber = *fibers_[i];
    const bool ended = (fiber.warp->ended & bit_of(fiber)) != 0;
    return ended ? std::string("have ended") : describe(fiber.wait);
  };
  for (unsigned first = 0; first < num_threads_;) {
    const std::string common = state(first);
    unsigned end = first + 1;
    while (end < num_threads_ && state(end) == common) ++end;
    text += fmt::format("; threads {}-{} {}", first, end - 1, common);
    first = end;
  }
  return text;
}

}  // namespace simt
