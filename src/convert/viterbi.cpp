#include "convert/viterbi.h"

#include "base/error.h"
#include "base/half.h"

#include <algorithm>
#include <limits>

namespace trellis {
namespace {

using exl3::kTileWeights;

/// Where the first pass starts: half a tile away from the wrap-around that it looks for. A shorter
/// way there costs accuracy: 48 steps on each side instead of 128 add 0.5 % to the error at 4 bits.
constexpr int kHalfTile = kTileWeights / 2;

}  // namespace

std::vector<ViterbiKernel> available_viterbi_kernels() {
  std::vector<ViterbiKernel> kernels = {scalar::kViterbiKernel};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) kernels.push_back(avx2::kViterbiKernel);
  if (__builtin_cpu_supports("avx512f")) kernels.push_back(avx512::kViterbiKernel);
#endif
  return kernels;
}

TileEncoder::Workspace::Workspace(const TileEncoder& encoder) {
  const auto num_edges = static_cast<size_t>(encoder.num_edges());
  costs_before_.resize(num_edges + kViterbiBlock);
  costs_after_.resize(num_edges + kViterbiBlock);
  choices_.resize(num_edges * kTileWeights);
}

TileEncoder::TileEncoder(exl3::Codebook codebook, int bits)
    : TileEncoder(codebook, bits, available_viterbi_kernels().back()) {}

TileEncoder::TileEncoder(exl3::Codebook codebook, int bits, const ViterbiKernel& kernel)
    : codebook_(codebook), bits_(bits), kernel_(kernel) {
  TRELLIS_CHECK(bits >= exl3::kMinBits && bits <= exl3::kMaxBits, "1 to 8 bits per weight");
  values_.resize(exl3::kNumStates);
  for (uint32_t state = 0; state < exl3::kNumStates; ++state) {
    values_[state] = half_to_float(exl3::decode(codebook, state));
  }
  table_.reserve(values_.size());
  const auto edges = static_cast<uint32_t>(num_edges());
  for (uint32_t block = 0; block < edges; block += kViterbiBlock) {
    for (uint32_t k = 0; k < 1u << bits; ++k) {
      for (uint32_t lane = 0; lane < kViterbiBlock; ++lane) {
        table_.push_back(values_[k * edges + block + lane]);
      }
    }
  }
}

/// One step forward. The choices of a step are kept for walking back.
void TileEncoder::advance(const float* weights, int step, Workspace& workspace) const {
  kernel_.advance({
      .bits = bits_,
      .table = table_.data(),
      .weight = weights[step],
      .costs_before = workspace.costs_before_.data(),
      .costs_after = workspace.costs_after_.data(),
      .choices = workspace.choices_.data() + static_cast<int64_t>(step) * num_edges(),
  });
  std::swap(workspace.costs_before_, workspace.costs_after_);
}

/// The state of a step on the best path that leaves it through `edge`.
uint32_t TileEncoder::state_before(const Workspace& workspace, int step, uint32_t edge) const {
  const auto row = static_cast<size_t>(step) * static_cast<size_t>(num_edges());
  const uint32_t choice = workspace.choices_[row + edge];
  return (choice << (exl3::kStateBits - bits_)) | edge;
}

uint32_t TileEncoder::guess_wrapping_edge(const float* weights, Workspace& workspace) const {
  std::ranges::fill(workspace.costs_before_, 0.0f);
  for (int step = kHalfTile; step < kTileWeights; ++step) {
    advance(weights, step, workspace);
  }
  for (int step = 0; step < kHalfTile; ++step) advance(weights, step, workspace);

  const auto begin = workspace.costs_before_.begin();
  const auto cheapest = std::min_element(begin, begin + num_edges());
  auto edge = static_cast<uint32_t>(cheapest - begin);
  for (int step = kHalfTile - 1; step >= 0; --step) {
    edge = state_before(workspace, step, edge) >> bits_;
  }
  return edge;
}

double TileEncoder::encode(const float* weights, Workspace& workspace, uint16_t* states) const {
  const uint32_t wrapping_edge = guess_wrapping_edge(weights, workspace);

  std::ranges::fill(workspace.costs_before_, std::numeric_limits<float>::infinity());
  workspace.costs_before_[wrapping_edge] = 0.0f;
  for (int step = 0; step < kTileWeights; ++step) advance(weights, step, workspace);

  double error = 0.0;
  uint32_t edge = wrapping_edge;
  for (int step = kTileWeights - 1; step >= 0; --step) {
    const uint32_t state = state_before(workspace, step, edge);
    states[step] = static_cast<uint16_t>(state);
    const double distance = static_cast<double>(values_[state]) - weights[step];
    error += distance * distance;
    edge = state >> bits_;
  }
  return error;
}

std::vector<TileEncoder::Workspace> TileEncoder::workspaces(int num_threads) const {
  std::vector<Workspace> workspaces;
  for (int thread = 0; thread < num_threads; ++thread) workspaces.emplace_back(*this);
  return workspaces;
}

std::vector<double> TileEncoder::encode_tiles(
    std::span<const float> weights, std::span<uint16_t> states, ThreadPool& pool,
    std::span<Workspace> workspaces
) const {
  TRELLIS_CHECK_EQ(weights.size(), states.size(), "one state per weight");
  TRELLIS_CHECK(
      workspaces.size() >= static_cast<size_t>(pool.num_threads()), "one workspace per thread"
  );
  const auto num_tiles = static_cast<int64_t>(weights.size()) / kTileWeights;
  std::vector<double> errors(static_cast<size_t>(num_tiles));
  pool.for_each(num_tiles, 1, [&](int64_t begin, int64_t end, int worker) {
    Workspace& workspace = workspaces[static_cast<size_t>(worker)];
    for (int64_t tile = begin; tile < end; ++tile) {
      const int64_t first = tile * kTileWeights;
      errors[static_cast<size_t>(tile)] =
          encode(weights.data() + first, workspace, states.data() + first);
    }
  });
  return errors;
}

}  // namespace trellis
