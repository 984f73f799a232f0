// Times the search for the codes of tiles, the inner loop of `trellis quantize`: one thread, every
// bit width and instruction set. items_per_second counts weights.
#include "backend/random_data.h"
#include "convert/viterbi.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <vector>

namespace trellis {
namespace {

constexpr int64_t kTiles = 4;
constexpr int64_t kTileWeights = 256;

void encode(benchmark::State& state, const ViterbiKernel& kernel, int bits) {
  const TileEncoder encoder(exl3::Codebook::kMul1, bits, kernel);
  TileEncoder::Workspace workspace(encoder);
  const std::vector<float> weights = test::RandomData(1).normals(kTiles * kTileWeights);
  std::vector<uint16_t> states(kTileWeights);
  for (auto _ : state) {
    for (int64_t tile = 0; tile < kTiles; ++tile) {
      benchmark::DoNotOptimize(
          encoder.encode(weights.data() + tile * kTileWeights, workspace, states.data())
      );
    }
  }
  state.SetItemsProcessed(state.iterations() * kTiles * kTileWeights);
}

void register_all() {
  for (const ViterbiKernel& kernel : available_viterbi_kernels()) {
    for (int bits = 1; bits <= 8; ++bits) {
      benchmark::RegisterBenchmark(
          fmt::format("{}/encode {}-bit mul1", kernel.name, bits).c_str(),
          [=](benchmark::State& state) { encode(state, kernel, bits); }
      )->Unit(benchmark::kMillisecond);
    }
  }
}

}  // namespace
}  // namespace trellis

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  trellis::register_all();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
