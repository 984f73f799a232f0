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

Block& running_block() {
  static Block block;
  return block;
}

Fiber& current_fiber() {
  return *current;
}

std::string Block::run_grid(
    const void* kernel, dim3 grid, dim3 block, std::size_t dynamic_shared_bytes,
    const std::function<void()>& body
) {
  kernel_ = kernel;
  gridDim = grid;
  blockDim = block;
  body_ = &body;
  num_threads_ = block.x * block.y * block.z;
  num_warps_ = (num_threads_ + kWarpLanes - 1) / kWarpLanes;
  failure_.clear();
  host_ = std::make_unique<Context>();
  shared_.begin_launch(dynamic_shared_bytes);
  while (fibers_.size() < num_threads_) {
    fibers_.push_back(std::make_unique<Fiber>());
    fibers_.back()->context.start(thread_main);
  }
  for (unsigned z = 0; z < grid.z && failure_.empty(); ++z) {
    for (unsigned y = 0; y < grid.y && failure_.empty(); ++y) {
      for (unsigned x = 0; x < grid.x && failure_.empty(); ++x) run_block({x, y, z});
    }
  }
  shared_.end_launch();
  return std::exchange(failure_, {});
}

void Block::run_block(uint3 index) {
  start_threads(index);
  ordered_before(&starts_);
  resume(*host_, *fibers_[0]);
  current = nullptr;
  if (num_live_ == 0) {
    ordered_after(&ends_);
    if (bulk_copies_.any()) failure_ = describe_block() + ": ended with bulk copies on their way";
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

void Block::start_threads(uint3 index) {
  blockIdx = index;
  num_live_ = num_threads_;
  shared_.begin_block();
  bulk_copies_.clear();
  barrier_ = {};
  warpgroups_ = {};
  notice_ = {};
  for (unsigned w = 0; w < num_warps_; ++w) {
    Warp& warp = warps_[w];
    const unsigned lanes = std::min<unsigned>(kWarpLanes, num_threads_ - w * kWarpLanes);
    warp.index = w;
    warp.launched = lanes == kWarpLanes ? 0xFFFFFFFFu : (1u << lanes) - 1;
    warp.runnable = warp.launched;
    warp.ended = 0;
    for (Meeting& meeting : warp.meetings) meeting.mask = 0;
  }
  for (unsigned i = 0; i < num_threads_; ++i) {
    Fiber& fiber = *fibers_[i];
    fiber.index = {i % blockDim.x, i / blockDim.x % blockDim.y, i / (blockDim.x * blockDim.y)};
    fiber.warp = &warps_[i / kWarpLanes];
    fiber.lane = i % kWarpLanes;
    fiber.copies.clear();
    fiber.products.clear();
  }
}

void Block::thread_main() {
  Context::entered();
  Block& block = running_block();
  while (true) {
    Fiber& self = current_fiber();
    ordered_after(&block.starts_);
    try {
      (*block.body_)();
      self.copies.finish();
      if (self.products.any()) block.fail("ended with wgmma results outstanding", Where::current());
    } catch (const ThreadFailed&) {
      Context::switch_to(self.context, *block.host_);  // for good: run_block() starts it anew
    }
    ordered_before(&block.ends_);
    block.end_thread(self);
  }
}

void Block::end_thread(Fiber& fiber) {
  fiber.warp->ended |= bit_of(fiber);
  fiber.warp->runnable &= ~bit_of(fiber);
  --num_live_;
  if (barrier_.arrived != 0 && barrier_.arrived == num_live_) release(barrier_);
  run_next(fiber);
}

void Block::run_next(Fiber& fiber) {
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
  Fiber& next =
      *fibers_[warp->index * kWarpLanes + static_cast<unsigned>(std::countr_zero(choice))];
  if (&next == &fiber) return;
  resume(fiber.context, next);
}

void Block::resume(Context& from, Fiber& fiber) {
  current = &fiber;
  threadIdx = fiber.index;
  Context::switch_to(from, fiber.context);
}

void Block::wait_in(Fiber& fiber, const Wait& wait) {
  fiber.wait = wait;
  fiber.warp->runnable &= ~bit_of(fiber);
  run_next(fiber);
}

void Block::meet(
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

void Block::meet_block(const char* operation, const Where& where) {
  arrive(barrier_, num_live_, true, operation, where);
}

void Block::meet_warpgroup(const char* operation, const Where& where) {
  constexpr unsigned kWarps = 4;
  arrive(
      warpgroups_[current_fiber().warp->index / kWarps], kWarps * kWarpLanes, false, operation,
      where
  );
}

void Block::wait_for_notice(const char* operation, const Where& where) {
  Fiber& self = current_fiber();
  notice_.waiting[self.warp->index] |= bit_of(self);
  wait_in(self, {operation, 0, where});
}

void Block::notify() {
  release(notice_);
}

void Block::arrive(
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

void Block::release(Barrier& barrier) {
  barrier.arrived = 0;
  ++barrier.generation;
  for (unsigned w = 0; w < num_warps_; ++w) {
    warps_[w].runnable |= std::exchange(barrier.waiting[w], 0);
  }
}

void Block::fail(const std::string& what, const Where& where) {
  Fiber& self = current_fiber();
  const std::string file = where.file_name();
  failure_ = fmt::format(
      "{}, thread ({}, {}, {}): {} at {}:{} ({})", describe_block(), self.index.x, self.index.y,
      self.index.z, what, file.substr(file.rfind('/') + 1), where.line(), where.function_name()
  );
  throw ThreadFailed();
}

std::string Block::describe_block() const {
  return fmt::format(
      "kernel {}, block ({}, {}, {})", function_name(kernel_), blockIdx.x, blockIdx.y, blockIdx.z
  );
}

std::string Block::describe_deadlock() const {
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
