// One device and one stream of work on it: memory, packing of weights, and the ops. Everything
// above this interface is the same for every device; backend/create.cpp alone knows the
// implementations.
#pragma once

#include "backend/block_sizes.h"
#include "backend/linear_weight.h"
#include "backend/ops.h"
#include "backend/packed_linear.h"
#include "tensor/buffer.h"
#include "tensor/workspace.h"

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>

namespace trellis {

/// How an op treats its input. kAuto: a linear layer may round it to integers (within 1.5e-3
/// relative rms of exact), attention of many rows may round queries and weights to fp16, as keys of
/// an fp16 cache are. kFloat32: nothing is rounded.
enum class ActivationPrecision : uint8_t { kAuto, kFloat32 };

struct BackendOptions {
  // That compute, or that copy weights to a GPU. 0: one per CPU this process may use (GPU: 8 at
  // most).
  int num_threads = 0;
  ActivationPrecision activations = ActivationPrecision::kAuto;
  int device = 0;  // which GPU, as `trellis devices` numbers them
};

/// A recorded step: calling it runs the same ops on the same addresses again.
using Replay = std::function<void()>;

/// A contiguous tensor of the device, and the host memory that it is to be copied to.
struct Download {
  ConstTensor source;
  void* destination = nullptr;
};

/// Used by one thread at a time.
class Backend {
 public:
  virtual ~Backend() = default;

  /// "cpu", "reference"
  virtual std::string name() const = 0;
  /// The instruction set that was chosen, for logs and reports: e.g. "avx512".
  virtual std::string isa() const = 0;
  virtual int num_threads() const = 0;

  virtual Ops& ops() = 0;
  virtual Workspace& workspace() = 0;
  /// In calls of at most so many rows a row's bits do not depend on the other rows.
  virtual int64_t independent_rows() const { return std::numeric_limits<int64_t>::max(); }

  /// Which kernels compute the products and the attention of such a block for so many rows, in a
  /// line for reports. Empty where there is but one way.
  virtual std::string describe_block(const BlockSizes& /*sizes*/, int64_t /*rows*/) const {
    return "";
  }

  /// Long-lived memory, zeroed. Throws UserError when there is not enough.
  virtual Buffer allocate(size_t bytes) = 0;
  /// Long-lived memory of the host, from and to which copies are fastest. Contents undefined.
  /// Throws UserError.
  virtual Buffer allocate_staging(size_t bytes) { return allocate_host(bytes); }
  /// Copies bytes of contiguous tensors between host memory and the device. When it returns, the
  /// host's side may be changed or read; what is issued afterwards finds the device's.
  virtual void upload(Tensor destination, const void* source) = 0;
  virtual void download(ConstTensor source, void* destination) = 0;
  /// Copies a contiguous tensor to another one of the same bytes on this device, behind what was
  /// issued before.
  virtual void copy(ConstTensor source, Tensor destination) = 0;
  /// Starts a download into memory of allocate_staging(). What it returns waits for the copy, and
  /// for nothing that is issued afterwards; to be called before the next one is started.
  virtual std::function<void()> start_download(ConstTensor source, void* destination) {
    download(source, destination);
    return [] {};
  }

  /// Starts several downloads into memory of allocate_staging(). What it returns waits for them,
  /// and for nothing that is issued afterwards; it may be called at any time, or not at all.
  virtual std::function<void()> start_downloads(std::span<const Download> downloads) {
    for (const Download& each : downloads) download(each.source, each.destination);
    return [] {};
  }

  /// Brings a weight into this backend's layout. Reads it wholly: the checkpoint may be unmapped
  /// afterwards. Throws UserError for a combination it cannot compute.
  virtual std::unique_ptr<PackedLinear> pack(const LinearWeight& weight) = 0;

  /// Records the ops that fn issues, without executing them.
  virtual Replay record(std::function<void()> fn) = 0;

  /// Bytes of memory that could still be allocated, as far as the system tells.
  virtual size_t available_memory() const = 0;

  /// Reads a stretch of memory far larger than the caches as fast as the device can, and returns
  /// the best of several times in GB/s (10^9 bytes a second). Takes up to 2 GiB while it runs.
  virtual double measure_bandwidth() = 0;
};

/// Makes the backend called name: "cuda", "cpu", "reference", or "auto" (the fastest that this
/// machine has; a GPU where options.device names another than the first). Throws UserError saying
/// why there is no such GPU, or listing the names for any other.
std::unique_ptr<Backend> create_backend(const std::string& name, const BackendOptions& options);

}  // namespace trellis
