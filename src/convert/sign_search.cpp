#include "convert/sign_search.h"

#include "exl3/hadamard.h"

#include <algorithm>
#include <array>
#include <bit>

namespace trellis {
namespace {

using exl3::kHadamardBlock;
using exl3::kHadamardScale;

/// Blocks of the other side that the signs of a block are chosen by, at most; evenly spaced.
constexpr int64_t kMaxSamples = 16;
/// Rounds over both sides: each changes what the other sees, the second one little.
constexpr int kRounds = 2;
/// A flip must lower the sum by this share, which ends a search long before rounding matters.
constexpr double kSmallestGain = 1e-5;
constexpr int kLanes = 16;

using Block = std::array<std::array<float, kHadamardBlock>, kHadamardBlock>;

/// The transform along the first axis, orthonormal.
void rotate_first_axis(Block& block) {
  for (size_t half = 1; half < kHadamardBlock; half *= 2) {
    for (size_t begin = 0; begin < kHadamardBlock; begin += 2 * half) {
      for (size_t row = begin; row < begin + half; ++row) {
        float* low = block[row].data();
        float* high = block[row + half].data();
        for (size_t column = 0; column < kHadamardBlock; ++column) {
          const float sum = low[column] + high[column];
          high[column] = low[column] - high[column];
          low[column] = sum;
        }
      }
    }
  }
  for (auto& row : block) {
    for (float& value : row) value *= kHadamardScale;
  }
}

/// Sums are kept in lanes, in an order that the compiler may vectorise and never changes.
double sum_of_lanes(const std::array<float, kLanes>& lanes) {
  double sum = 0.0;
  for (const float lane : lanes) sum += lane;
  return sum;
}

double dot(const float* left, const float* right) {
  std::array<float, kLanes> lanes{};
  for (size_t begin = 0; begin < kHadamardBlock; begin += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      lanes[lane] += left[begin + lane] * right[begin + lane];
    }
  }
  return sum_of_lanes(lanes);
}

/// One block of 128 channels whose signs are to be chosen, against blocks of the other side.
/// With a[j, v] the signed channel j of vector v, y = H a the rotated values and h = 1 / sqrt(128)
/// the size of the entries of H, flipping j turns y[n, v] into y[n, v] - 2 a[j, v] H[n, j]. So
///   sum (y - 2 a H)^4 - sum y^4 = -8 sum_v a (H y^3)[j, v] + h^2 sum_v (24 a^2 |a_v|^2 - 16 a^4),
/// where the second sum does not change with the signs and the first comes from one transform of
/// the cubes for all 128 channels.
class BlockSearch {
 public:
  /// Takes values of the channels under their present signs, already rotated along the vectors.
  void add(const Block& signed_channels) {
    channels_.push_back(signed_channels);
    Block& rotated = rotated_.emplace_back(signed_channels);
    rotate_first_axis(rotated);
    std::array<float, kHadamardBlock> norms{};
    for (const auto& channel : signed_channels) {
      for (size_t v = 0; v < kHadamardBlock; ++v) norms[v] += channel[v] * channel[v];
    }
    for (size_t j = 0; j < kHadamardBlock; ++j) {
      std::array<float, kHadamardBlock> squares{};
      std::array<float, kHadamardBlock> weights{};
      for (size_t v = 0; v < kHadamardBlock; ++v) {
        squares[v] = signed_channels[j][v] * signed_channels[j][v];
        weights[v] = 24.0f * norms[v] - 16.0f * squares[v];
      }
      fixed_[j] += dot(squares.data(), weights.data()) / kHadamardBlock;
    }
  }

  /// Flips signs[128], the best first, until no flip is worth it.
  void run(float* signs) {
    for (int flips = 0; flips < kMaxFlips; ++flips) {
      const std::array<double, kHadamardBlock> changes = evaluate();
      const auto best = std::ranges::min_element(changes);
      if (*best >= -kSmallestGain * fourth_powers_) return;
      flip(static_cast<size_t>(best - changes.begin()));
      signs[best - changes.begin()] *= -1.0f;
    }
  }

 private:
  static constexpr int kMaxFlips = 4 * kHadamardBlock;

  /// What each flip would add to the sum of fourth powers, which it measures too.
  std::array<double, kHadamardBlock> evaluate() {
    std::array<double, kHadamardBlock> changes = fixed_;
    fourth_powers_ = 0.0;
    for (size_t sample = 0; sample < channels_.size(); ++sample) {
      Block cubes;
      for (size_t n = 0; n < kHadamardBlock; ++n) {
        const auto& values = rotated_[sample][n];
        for (size_t v = 0; v < kHadamardBlock; ++v) {
          cubes[n][v] = values[v] * values[v] * values[v];
        }
        fourth_powers_ += dot(values.data(), cubes[n].data());
      }
      rotate_first_axis(cubes);
      for (size_t j = 0; j < kHadamardBlock; ++j) {
        changes[j] -= 8.0 * dot(channels_[sample][j].data(), cubes[j].data());
      }
    }
    return changes;
  }

  void flip(size_t j) {
    for (size_t sample = 0; sample < channels_.size(); ++sample) {
      auto& channel = channels_[sample][j];
      for (size_t n = 0; n < kHadamardBlock; ++n) {
        const float entry = std::popcount(n & j) % 2 != 0 ? -kHadamardScale : kHadamardScale;
        auto& values = rotated_[sample][n];
        for (size_t v = 0; v < kHadamardBlock; ++v) values[v] -= 2.0f * entry * channel[v];
      }
      for (float& value : channel) value = -value;
    }
  }

  std::vector<Block> channels_;  // a
  std::vector<Block> rotated_;   // y
  std::array<double, kHadamardBlock> fixed_{};
  double fourth_powers_ = 0.0;
};

/// A matrix seen along one of its axes.
struct Axes {
  const float* values;
  int64_t channel_stride;
  int64_t vector_stride;
};

/// The block [128 channels, 128 vectors] under its signs, rotated along the vectors.
Block load_block(
    const Axes& axes, int64_t first_channel, int64_t first_vector, const float* channel_signs,
    const float* vector_signs
) {
  Block transposed;
  for (int64_t v = 0; v < kHadamardBlock; ++v) {
    for (int64_t j = 0; j < kHadamardBlock; ++j) {
      const int64_t at =
          (first_channel + j) * axes.channel_stride + (first_vector + v) * axes.vector_stride;
      transposed[static_cast<size_t>(v)][static_cast<size_t>(j)] =
          axes.values[at] * channel_signs[first_channel + j] * vector_signs[first_vector + v];
    }
  }
  rotate_first_axis(transposed);
  Block block;
  for (size_t j = 0; j < kHadamardBlock; ++j) {
    for (size_t v = 0; v < kHadamardBlock; ++v) block[j][v] = transposed[v][j];
  }
  return block;
}

/// Chooses the signs of the channels of one axis, those of the other being given.
void search_axis(
    const Axes& axes, const std::vector<float>& vector_signs, std::vector<float>& channel_signs,
    ThreadPool& pool
) {
  const auto num_blocks = static_cast<int64_t>(channel_signs.size()) / kHadamardBlock;
  const auto num_others = static_cast<int64_t>(vector_signs.size()) / kHadamardBlock;
  const int64_t num_samples = std::min(num_others, kMaxSamples);
  pool.for_each(num_blocks, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t block = begin; block < end; ++block) {
      BlockSearch search;
      for (int64_t sample = 0; sample < num_samples; ++sample) {
        search.add(load_block(
            axes, block * kHadamardBlock, sample * num_others / num_samples * kHadamardBlock,
            channel_signs.data(), vector_signs.data()
        ));
      }
      search.run(channel_signs.data() + block * kHadamardBlock);
    }
  });
}

}  // namespace

void search_signs(
    const std::vector<float>& values, std::vector<float>& in_signs, std::vector<float>& out_signs,
    ThreadPool& pool
) {
  const auto out = static_cast<int64_t>(out_signs.size());
  for (int round = 0; round < kRounds; ++round) {
    search_axis({values.data(), 1, out}, in_signs, out_signs, pool);
    search_axis({values.data(), out, 1}, out_signs, in_signs, pool);
  }
}

}  // namespace trellis
