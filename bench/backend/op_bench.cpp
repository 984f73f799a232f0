// Times every op on every case of the list that the oracle tests check, and on the sizes of a real
// layer, once per instruction set. Reports GB/s and their share of the memory bandwidth that the
// same threads measured just before. A case takes turns on copies of itself that exceed the caches
// together, as the layers of a model do.
//
//   op_bench --benchmark_filter='avx512/linear exl3 4-bit mul1 2048x8192'
//
// The threads are as many as the CPUs of the process: `taskset -c 0 op_bench` takes one.
#include "backend/backends_under_test.h"
#include "backend/layer_cases.h"
#include "backend/op_cases.h"
#include "base/memory_bandwidth.h"

#include <benchmark/benchmark.h>

#include <chrono>

namespace trellis::test {
namespace {

constexpr double kBytesBeyondCaches = 128e6;
constexpr int kMostCopies = 64;

void run_case(
    benchmark::State& state, const BackendUnderTest& under_test, const OpCase& op_case,
    double peak_bytes_per_s
) {
  const std::unique_ptr<Backend> backend = under_test.make(0);
  std::vector<PreparedOp> copies;
  double bytes = 0;
  do {
    copies.push_back(op_case.prepare(*backend));
    bytes += copies.back().bytes;
  } while (bytes < kBytesBeyondCaches && copies.size() < kMostCopies);
  for (const PreparedOp& copy : copies) copy.run();  // touches memory, wakes the threads

  size_t turn = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (auto _ : state) copies[turn++ % copies.size()].run();
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;

  const double moved = copies.front().bytes * static_cast<double>(state.iterations());
  state.SetBytesProcessed(static_cast<int64_t>(moved));
  state.counters["of_bandwidth"] = moved / elapsed.count() / peak_bytes_per_s;
}

void register_all(double peak_bytes_per_s) {
  std::vector<OpGroup> groups = op_groups();
  for (OpGroup& group : layer_groups()) groups.push_back(std::move(group));
  for (const BackendUnderTest& backend : fast_backends()) {
    for (const OpGroup& group : groups) {
      for (const OpCase& op_case : group.cases) {
        const std::string name = backend.isa + "/" + op_case.name;
        benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
          run_case(state, backend, op_case, peak_bytes_per_s);
        })->UseRealTime();
      }
    }
  }
}

}  // namespace
}  // namespace trellis::test

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  trellis::ThreadPool pool(0);
  const double gb_per_s = trellis::measure_read_bandwidth(pool);
  benchmark::AddCustomContext("threads", std::to_string(pool.num_threads()));
  benchmark::AddCustomContext("read bandwidth", fmt::format("{:.1f} GB/s", gb_per_s));
  trellis::test::register_all(gb_per_s * 1e9);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
