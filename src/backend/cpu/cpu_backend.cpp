#include "backend/cpu/cpu_backend.h"

#include "backend/cpu/cpu_linear.h"
#include "backend/cpu/cpu_ops.h"
#include "backend/cpu/isa/tables.h"
#include "base/host_memory.h"
#include "base/memory_bandwidth.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace trellis {
namespace cpu {
namespace {

KernelTable make_table(std::string_view isa) {
  KernelTable table{};
  if (isa == "avx512") {
    avx512::fill_table(table);
    // Zen adds vectors on two ports that do not multiply. Intel's two ports of 512 bits do both,
    // and three instructions would take the place of two.
    if (__builtin_cpu_is("amd")) avx512::fill_exl3_of_pairs(table);
    return table;
  }
  if (isa == "avx2") {
    avx2::fill_table(table);
    return table;
  }
  TRELLIS_CHECK(isa == "scalar", "a known instruction set");
  scalar::fill_table(table);
  return table;
}

void check_contiguous(ConstTensor tensor) {
  TRELLIS_CHECK_EQ(tensor.row_stride(), tensor.row_size(), "copies need contiguous rows");
}

class CpuBackend final : public Backend {
 public:
  CpuBackend(const BackendOptions& options, std::string_view isa)
      : kernels_(make_table(isa)),
        pool_(options.num_threads),
        workspace_(allocate_host),
        ops_(*this, pool_, workspace_, kernels_, options.activations) {}

  std::string name() const override { return "cpu"; }
  std::string isa() const override { return kernels_.name; }
  int num_threads() const override { return pool_.num_threads(); }

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
    return std::make_unique<CpuLinear>(*this, weight, pool_);
  }

  Replay record(std::function<void()> fn) override { return fn; }

  size_t available_memory() const override { return available_host_memory(); }

  double measure_bandwidth() override { return measure_read_bandwidth(pool_); }

 private:
  const KernelTable kernels_;
  ThreadPool pool_;
  Workspace workspace_;
  CpuOps ops_;
};

}  // namespace
}  // namespace cpu

std::vector<std::string> cpu_isas() {
  std::vector<std::string> isas;
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("f16c");
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi2")) {
    isas.emplace_back("avx512");
  }
  if (avx2) isas.emplace_back("avx2");
  isas.emplace_back("scalar");
  return isas;
}

std::string chosen_cpu_isa(std::string_view isa) {
  const std::vector<std::string> usable = cpu_isas();
  std::string chosen(isa);
  const char* origin = "the instruction set asked for";
  if (const char* forced = std::getenv("TRELLIS_CPU_ISA"); chosen.empty() && forced != nullptr) {
    chosen = forced;
    origin = "TRELLIS_CPU_ISA";
  }
  if (chosen.empty()) chosen = usable.front();
  if (std::find(usable.begin(), usable.end(), chosen) == usable.end()) {
    throw UserError(
        "{} is \"{}\", which this machine cannot run; it can run {}", origin, chosen,
        fmt::join(usable, ", ")
    );
  }
  return chosen;
}

std::unique_ptr<Backend> make_cpu_backend(const BackendOptions& options, std::string_view isa) {
  return std::make_unique<cpu::CpuBackend>(options, chosen_cpu_isa(isa));
}

}  // namespace trellis
