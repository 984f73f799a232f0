#include "backend/cuda/cuda_backend.h"

#include "backend/cuda/cuda_check.h"
#include "backend/cuda/cuda_linear.h"
#include "backend/cuda/cuda_ops.h"
#include "backend/cuda/device_event.h"
#include "backend/cuda/device_info.h"
#include "backend/cuda/device_memory.h"
#include "backend/cuda/kernels/read_bandwidth.h"
#include "backend/cuda/uploader.h"

#include <algorithm>

namespace trellis {
namespace cuda {
namespace {

/// A stream that does not wait for the default one.
class Stream {
 public:
  Stream() { TRELLIS_CUDA_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  ~Stream() { cudaStreamDestroy(stream_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

/// A recorded step, ready to be launched.
class Graph {
 public:
  explicit Graph(cudaGraph_t graph) {
    const cudaError_t status = cudaGraphInstantiate(&executable_, graph, 0);
    cudaGraphDestroy(graph);
    check(status, "cudaGraphInstantiate");
  }
  ~Graph() { cudaGraphExecDestroy(executable_); }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  void launch(cudaStream_t stream) const {
    TRELLIS_CUDA_CHECK(cudaGraphLaunch(executable_, stream));
  }

 private:
  cudaGraphExec_t executable_ = nullptr;
};

void check_contiguous(ConstTensor tensor) {
  TRELLIS_CHECK_EQ(tensor.row_stride(), tensor.row_size(), "copies need contiguous rows");
}

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(const BackendOptions& options)
      : index_(options.device),
        device_(select(options.device)),
        uploader_(stream_.get(), {.num_threads = options.num_threads}),
        workspace_(allocate_device),
        ops_(*this, stream_.get(), workspace_, options.activations, limits(device_)) {}

  std::string name() const override { return "cuda"; }
  std::string isa() const override {
    return fmt::format("sm_{}{} {}", device_.major, device_.minor, device_.name);
  }
  int num_threads() const override { return 1; }

  Ops& ops() override {
    make_current();
    return ops_;
  }
  Workspace& workspace() override {
    make_current();
    return workspace_;
  }

  int64_t independent_rows() const override { return ops_.independent_rows(); }
  std::string describe_block(const BlockSizes& sizes, int64_t rows) const override {
    return ops_.describe_block(sizes, rows);
  }

  Buffer allocate(size_t bytes) override {
    make_current();
    Buffer buffer = allocate_device(bytes);
    TRELLIS_CUDA_CHECK(cudaMemsetAsync(buffer.data(), 0, bytes, stream_.get()));
    return buffer;
  }
  Buffer allocate_staging(size_t bytes) override { return allocate_pinned(bytes); }
  void upload(Tensor destination, const void* source) override {
    make_current();
    check_contiguous(destination);
    uploader_.upload(destination.data(), source, destination.bytes());
  }
  void download(ConstTensor source, void* destination) override {
    make_current();
    check_contiguous(source);
    if (source.bytes() == 0) return;
    TRELLIS_CUDA_CHECK(cudaMemcpyAsync(
        destination, source.data(), source.bytes(), cudaMemcpyDeviceToHost, stream_.get()
    ));
    TRELLIS_CUDA_CHECK(cudaStreamSynchronize(stream_.get()));
  }
  void copy(ConstTensor source, Tensor destination) override {
    make_current();
    check_contiguous(source);
    check_contiguous(destination);
    TRELLIS_CHECK_EQ(source.bytes(), destination.bytes(), "a copy keeps the size");
    if (source.bytes() == 0) return;
    TRELLIS_CUDA_CHECK(cudaMemcpyAsync(
        destination.data(), source.data(), source.bytes(), cudaMemcpyDeviceToDevice, stream_.get()
    ));
  }
  std::function<void()> start_download(ConstTensor source, void* destination) override {
    make_current();
    check_contiguous(source);
    TRELLIS_CUDA_CHECK(cudaMemcpyAsync(
        destination, source.data(), source.bytes(), cudaMemcpyDeviceToHost, stream_.get()
    ));
    TRELLIS_CUDA_CHECK(cudaEventRecord(downloaded_.get(), stream_.get()));
    return [this] {
      make_current();
      TRELLIS_CUDA_CHECK(cudaEventSynchronize(downloaded_.get()));
    };
  }

  std::function<void()> start_downloads(std::span<const Download> downloads) override {
    make_current();
    for (const Download& each : downloads) {
      check_contiguous(each.source);
      TRELLIS_CUDA_CHECK(cudaMemcpyAsync(
          each.destination, each.source.data(), each.source.bytes(), cudaMemcpyDeviceToHost,
          stream_.get()
      ));
    }
    const auto done = std::make_shared<Event>();
    TRELLIS_CUDA_CHECK(cudaEventRecord(done->get(), stream_.get()));
    return [this, done] {
      make_current();
      TRELLIS_CUDA_CHECK(cudaEventSynchronize(done->get()));
    };
  }

  std::unique_ptr<PackedLinear> pack(const LinearWeight& weight) override {
    make_current();
    return std::make_unique<CudaLinear>(*this, weight, uploader_);
  }

  Replay record(std::function<void()> fn) override {
    make_current();
    // Relaxed: other threads of the process may use the device meanwhile.
    TRELLIS_CUDA_CHECK(cudaStreamBeginCapture(stream_.get(), cudaStreamCaptureModeRelaxed));
    cudaGraph_t graph = nullptr;
    try {
      fn();
    } catch (...) {
      if (cudaStreamEndCapture(stream_.get(), &graph) == cudaSuccess) cudaGraphDestroy(graph);
      throw;
    }
    TRELLIS_CUDA_CHECK(cudaStreamEndCapture(stream_.get(), &graph));
    return [this, recorded = std::make_shared<Graph>(graph)] {
      make_current();
      recorded->launch(stream_.get());
    };
  }

  size_t available_memory() const override {
    make_current();
    size_t free = 0;
    size_t total = 0;
    TRELLIS_CUDA_CHECK(cudaMemGetInfo(&free, &total));
    return free;
  }

  double measure_bandwidth() override {
    make_current();
    constexpr size_t kMostBytes = size_t{2} << 30;
    constexpr size_t kPiece = size_t{1} << 20;
    const size_t bytes = std::min(kMostBytes, available_memory() / 2) / kPiece * kPiece;
    if (bytes == 0) throw UserError("the GPU has no memory free to measure its bandwidth with");
    return measure_read_bandwidth(stream_.get(), bytes, device_.multiProcessorCount);
  }

 private:
  static cudaDeviceProp select(int device) {
    const GpuList list = list_cuda_gpus();
    if (list.gpus.empty()) throw UserError("no GPU can be used: {}", list.reason);
    const auto count = static_cast<int>(list.gpus.size());
    if (device < 0 || device >= count) {
      throw UserError("there is no GPU {}; this machine has {} of them", device, count);
    }
    const std::string& problem = list.gpus[static_cast<size_t>(device)].problem;
    if (!problem.empty()) throw UserError("GPU {} cannot be used: {}", device, problem);
    TRELLIS_CUDA_CHECK(cudaSetDevice(device));
    cudaDeviceProp properties{};
    TRELLIS_CUDA_CHECK(cudaGetDeviceProperties(&properties, device));
    return properties;
  }

  static DeviceLimits limits(const cudaDeviceProp& device) {
    return {
        device.multiProcessorCount, static_cast<int64_t>(device.sharedMemPerBlockOptin),
        slice_bytes(static_cast<int64_t>(device.totalGlobalMem)),
        has_wgmma(device.major, device.minor), device.major >= 9
    };
  }

  /// The runtime's device is a thread's; a backend is made by one thread and used by another.
  void make_current() const { TRELLIS_CUDA_CHECK(cudaSetDevice(index_)); }

  int index_;
  cudaDeviceProp device_;
  Stream stream_;
  Event downloaded_;  // the last one that was started
  Uploader uploader_;
  Workspace workspace_;
  CudaOps ops_;
};

}  // namespace
}  // namespace cuda

std::unique_ptr<Backend> make_cuda_backend(const BackendOptions& options) {
  return std::make_unique<cuda::CudaBackend>(options);
}

}  // namespace trellis
