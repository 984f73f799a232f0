// Times the linear layers of Llama-3.1-8B on a GPU as a decode step has them: recorded chains of
// layers that follow one another, over copies that exceed the L2 cache. Prints microseconds per
// layer, GB/s of weights, and 10^12 weights per second.
//
//   linear_chain_bench [BITS] [CODEBOOK: 3inst, mcg or mul1]
#include "backend/cuda/cuda_backend.h"
#include "backend/op_case.h"
#include "backend/random_linear.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string_view>

namespace trellis::test {
namespace {

constexpr double kChainBytes = 1.5e9;
constexpr int kReplays = 15;

struct LayerShape {
  const char* name;
  int64_t in;
  std::vector<int64_t> outs;
};

const LayerShape kLayers[] = {
    {"qkv", 4096, {4096, 1024, 1024}},
    {"o", 4096, {4096}},
    {"gate, up", 4096, {14336, 14336}},
    {"down", 14336, {4096}},
};

void measure(Backend& backend, const WeightFormat& format, const LayerShape& layer, int64_t rows) {
  PreparedOp op(backend);
  double weights = 0;
  std::vector<std::unique_ptr<RandomLinear>> linears;
  std::vector<Tensor> outputs;
  for (size_t i = 0; i < layer.outs.size(); ++i) {
    linears.push_back(
        std::make_unique<RandomLinear>(format, LinearShape{layer.in, layer.outs[i], 1}, 7 + i)
    );
    outputs.push_back(op.allocate({rows, layer.outs[i]}));
    weights += static_cast<double>(layer.in * layer.outs[i]);
  }
  const double bytes = weights * format.bits / 8;
  const auto copies = static_cast<int>(std::clamp(kChainBytes / bytes, 8.0, 200.0));
  std::vector<std::vector<const PackedLinear*>> packed(static_cast<size_t>(copies));
  for (auto& copy : packed) {
    for (const auto& linear : linears) copy.push_back(&op.pack(linear->weight()));
  }
  const Tensor x = op.upload(RandomData(3).normals(rows * layer.in), {rows, layer.in});
  const auto chain = [&] {
    for (const auto& copy : packed) backend.ops().linear_group(x, copy, outputs);
  };
  chain();
  const Replay replay = backend.record(chain);
  std::vector<float> row(static_cast<size_t>(layer.outs[0]));
  const auto wait = [&] { backend.download(outputs[0].slice_rows(0, 1), row.data()); };
  replay();
  wait();
  std::vector<double> times;
  for (int i = 0; i < kReplays; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    replay();
    wait();
    times.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count()
    );
  }
  std::nth_element(times.begin(), times.begin() + kReplays / 2, times.end());
  const double seconds = times[kReplays / 2] / copies;
  fmt::print(
      "{:<24} {:<9} rows {:<3} {:8.2f} us  {:6.0f} GB/s  {:5.2f} Tw/s\n", format.name(), layer.name,
      rows, seconds * 1e6, bytes / seconds / 1e9, weights / seconds / 1e12
  );
}

}  // namespace
}  // namespace trellis::test

int main(int argc, char** argv) {
  using namespace trellis;
  const int bits = argc > 1 ? std::atoi(argv[1]) : 4;
  auto codebook = exl3::Codebook::kMul1;
  for (int i = 0; argc > 2 && i < exl3::kNumCodebooks; ++i) {
    const auto candidate = static_cast<exl3::Codebook>(i);
    if (std::string_view(argv[2]) == exl3::codebook_name(candidate)) codebook = candidate;
  }
  const std::unique_ptr<Backend> backend = make_cuda_backend({});
  fmt::print("{}\n", backend->isa());
  for (const int64_t rows : {1, 4, 8}) {
    for (const auto& layer : test::kLayers) {
      test::measure(*backend, test::WeightFormat::exl3(bits, codebook), layer, rows);
    }
  }
  return 0;
}
