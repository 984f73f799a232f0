#include "convert/viterbi.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <random>
#include <string>
#include <tuple>
#include <vector>

namespace trellis {
namespace {

using exl3::Codebook;
using exl3::kTileWeights;

constexpr uint32_t kSeed = 4711;

using Tile = std::array<float, kTileWeights>;
using States = std::array<uint16_t, kTileWeights>;

Tile gaussian_tile(uint32_t seed, float deviation = 1.0f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, deviation);
  Tile tile{};
  for (float& weight : tile) weight = normal(random);
  return tile;
}

/// The states that a random bit string of 256 * bits bits goes through.
States random_path(int bits, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<uint32_t> words(static_cast<size_t>(exl3::tile_words(bits)));
  for (uint32_t& word : words) word = static_cast<uint32_t>(random());
  States states{};
  for (int step = 0; step < kTileWeights; ++step) {
    states[static_cast<size_t>(step)] =
        static_cast<uint16_t>(exl3::state_at(words.data(), bits, step));
  }
  return states;
}

class Viterbi : public ::testing::TestWithParam<std::tuple<Codebook, int>> {
 protected:
  Codebook codebook() const { return std::get<0>(GetParam()); }
  int bits() const { return std::get<1>(GetParam()); }
};

TEST_P(Viterbi, EveryInstructionSetFindsTheSamePathAsPlainLoops) {
  const Tile tile = gaussian_tile(kSeed, 0.8f);
  const std::vector<ViterbiKernel> kernels = available_viterbi_kernels();
  const TileEncoder plain(codebook(), bits(), kernels.front());
  TileEncoder::Workspace plain_workspace(plain);
  States expected{};
  const double expected_error = plain.encode(tile.data(), plain_workspace, expected.data());

  for (const ViterbiKernel& kernel : kernels) {
    SCOPED_TRACE(kernel.name);
    const TileEncoder encoder(codebook(), bits(), kernel);
    TileEncoder::Workspace workspace(encoder);
    States states{};
    const double error = encoder.encode(tile.data(), workspace, states.data());
    EXPECT_EQ(states, expected) << "seed " << kSeed;
    EXPECT_EQ(error, expected_error);
  }
}

TEST_P(Viterbi, FindsAPathThatIsThereWithoutError) {
  const States path = random_path(bits(), kSeed + 1);
  const TileEncoder encoder(codebook(), bits());
  TileEncoder::Workspace workspace(encoder);
  Tile tile{};
  for (size_t step = 0; step < tile.size(); ++step) tile[step] = encoder.value(path[step]);

  States states{};
  const double error = encoder.encode(tile.data(), workspace, states.data());

  EXPECT_EQ(error, 0.0) << "seed " << kSeed + 1;
  EXPECT_TRUE(exl3::is_tail_biting(states.data(), bits()));
}

TEST_P(Viterbi, ReportsTheErrorOfATailBitingPath) {
  const Tile tile = gaussian_tile(kSeed + 2);
  const TileEncoder encoder(codebook(), bits());
  TileEncoder::Workspace workspace(encoder);

  States states{};
  const double error = encoder.encode(tile.data(), workspace, states.data());

  double expected = 0.0;
  for (size_t step = 0; step < tile.size(); ++step) {
    const double value = half_to_float(exl3::decode(codebook(), states[step]));
    expected += (value - tile[step]) * (value - tile[step]);
  }
  EXPECT_NEAR(error, expected, 1e-9 * expected) << "seed " << kSeed + 2;
  EXPECT_TRUE(exl3::is_tail_biting(states.data(), bits()));
}

/// Writable memory of which everything after its last byte is out of bounds: touching it is fatal.
class FencedMemory {
 public:
  explicit FencedMemory(size_t bytes)
      : page_(static_cast<size_t>(::sysconf(_SC_PAGESIZE))),
        usable_((bytes + page_ - 1) / page_ * page_),
        start_(static_cast<char*>(::mmap(
            nullptr, usable_ + page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0
        ))),
        data_(start_ + usable_ - bytes) {
    ::mprotect(start_ + usable_, page_, PROT_NONE);
  }
  ~FencedMemory() { ::munmap(start_, usable_ + page_); }
  FencedMemory(const FencedMemory&) = delete;
  FencedMemory& operator=(const FencedMemory&) = delete;

  template <typename T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }

 private:
  size_t page_;
  size_t usable_;
  char* start_;
  char* data_;
};

TEST_P(Viterbi, EveryInstructionSetStaysInsideItsBuffers) {
  const size_t num_edges = size_t{1} << (16 - bits());
  const FencedMemory table(exl3::kNumStates * sizeof(float));
  const FencedMemory before((num_edges + kViterbiBlock) * sizeof(float));
  const FencedMemory after(num_edges * sizeof(float));
  const FencedMemory choices(num_edges);

  for (const ViterbiKernel& kernel : available_viterbi_kernels()) {
    SCOPED_TRACE(kernel.name);
    after.as<float>()[num_edges - 1] = -1.0f;
    kernel.advance({
        .bits = bits(),
        .table = table.as<float>(),
        .weight = 2.0f,
        .costs_before = before.as<float>(),
        .costs_after = after.as<float>(),
        .choices = choices.as<uint8_t>(),
    });
    EXPECT_EQ(after.as<float>()[num_edges - 1], 4.0f) << "the last edge must be written";
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, Viterbi,
    ::testing::Combine(
        ::testing::Values(Codebook::k3inst, Codebook::kMcg, Codebook::kMul1),
        ::testing::Range(exl3::kMinBits, exl3::kMaxBits + 1)
    ),
    [](const auto& info) {
      return "codebook_" + std::string(exl3::codebook_name(std::get<0>(info.param))) + "_bits_" +
             std::to_string(std::get<1>(info.param));
    }
);

TEST(ViterbiSearch, NoPathThroughTheSameWrapIsCheaper) {
  // An independent search in fp64 over all 256 edges at 8 bits, through the edge that was chosen.
  const Tile tile = gaussian_tile(kSeed + 3, 0.7f);
  const TileEncoder encoder(Codebook::k3inst, 8);
  TileEncoder::Workspace workspace(encoder);
  States states{};
  const double error = encoder.encode(tile.data(), workspace, states.data());

  const size_t wrap = states[kTileWeights - 1] & 0xFF;
  std::vector<double> costs(256, HUGE_VAL);
  costs[wrap] = 0.0;
  for (const float weight : tile) {
    std::vector<double> after(256, HUGE_VAL);
    for (size_t before = 0; before < 256; ++before) {
      for (size_t edge = 0; edge < 256; ++edge) {
        const double distance =
            encoder.value(static_cast<uint16_t>(before * 256 + edge)) - static_cast<double>(weight);
        after[edge] = std::min(after[edge], costs[before] + distance * distance);
      }
    }
    costs = after;
  }

  EXPECT_NEAR(error, costs[wrap], 1e-5 * costs[wrap]) << "seed " << kSeed + 3;
}

TEST(ViterbiSearch, ThreadsDoNotChangeTheResult) {
  constexpr size_t kNumTiles = 9;
  const TileEncoder encoder(Codebook::kMul1, 4);
  std::vector<float> weights;
  for (uint32_t tile = 0; tile < kNumTiles; ++tile) {
    const Tile values = gaussian_tile(kSeed + 10 + tile);
    weights.insert(weights.end(), values.begin(), values.end());
  }
  ThreadPool alone(1);
  ThreadPool together(3);
  std::vector<TileEncoder::Workspace> workspaces = encoder.workspaces(3);

  std::vector<uint16_t> expected(weights.size());
  const auto expected_errors = encoder.encode_tiles(weights, expected, alone, workspaces);
  std::vector<uint16_t> states(weights.size());
  const auto errors = encoder.encode_tiles(weights, states, together, workspaces);

  EXPECT_EQ(states, expected);
  EXPECT_EQ(errors, expected_errors);
}

}  // namespace
}  // namespace trellis
