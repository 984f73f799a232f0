#include "backend/reference/reference_backend.h"

#include "backend/reference/reference_linear.h"
#include "backend/reference/reference_ops.h"
#include "base/host_memory.h"
#include "base/memory_bandwidth.h"

#include <cstring>
#include <utility>

namespace trellis {
namespace reference {
namespace {

void check_contiguous(ConstTensor tensor) {
  TRELLIS_CHECK_EQ(tensor.row_stride(), tensor.row_size(), "copies need contiguous rows");
}

class ReferenceBackend final : public Backend {
 public:
  std::string name() const override { return "reference"; }
  std::string isa() const override { return "plain loops in fp64"; }
  int num_threads() const override { return 1; }

  Ops& ops() override { return ops_; }
  Workspace& workspace() override { return workspace_; }

  Buffer allocate(size_t bytes) override { return allocate_host(bytes); }
  void upload(Tensor destination, const void* source) override {
    check_contiguous(destination);
    if (destination.bytes() > 0) std::memcpy(destination.data(), source, destination.bytes());
  }
  void download(ConstTensor source, void* destination) override {
    check_contiguous(source);
    if (source.bytes() > 0) std::memcpy(destination, source.data(), source.bytes());
  }
  void copy(ConstTensor source, Tensor destination) override {
    TRELLIS_CHECK_EQ(source.bytes(), destination.bytes(), "a copy keeps the size");
    download(source, destination.data());
  }

  std::unique_ptr<PackedLinear> pack(const LinearWeight& weight) override {
    return std::make_unique<ReferenceLinear>(*this, weight);
  }

  Replay record(std::function<void()> fn) override { return fn; }

  size_t available_memory() const override { return available_host_memory(); }

  double measure_bandwidth() override {
    ThreadPool pool(1);
    return measure_read_bandwidth(pool);
  }

 private:
  ReferenceOps ops_{*this};
  Workspace workspace_{allocate_host};
};

}  // namespace
}  // namespace reference

std::unique_ptr<Backend> make_reference_backend(const BackendOptions&) {
  return std::make_unique<reference::ReferenceBackend>();
}

}  // namespace trellis
