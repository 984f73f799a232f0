#include "convert/gain_search.h"

#include "exl3/tile_order.h"
#include "exl3/trellis.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <vector>

namespace trellis {
namespace {

using exl3::kTileSize;
using exl3::kTileWeights;

/// Distance of the gains that are tried; the best lies between them, on a parabola.
constexpr float kStep = 0.075f;
constexpr int kMaxTrials = 24;
constexpr float kSmallestGain = 0.01f;
/// A sample is at most one tile in this many, but at least kMinSample tiles.
constexpr int64_t kSampleShare = 32;
constexpr size_t kMinSample = 16;

double mean_square(const RotatedWeight& rotated, int64_t tile_row, int64_t tile_column) {
  double sum = 0.0;
  for (int row = 0; row < kTileSize; ++row) {
    const float* values = rotated.values.data() +
                          (tile_row * kTileSize + row) * rotated.padded_out +
                          tile_column * kTileSize;
    for (int column = 0; column < kTileSize; ++column) {
      sum += static_cast<double>(values[column]) * values[column];
    }
  }
  return sum / kTileWeights;
}

/// The tiles to measure: a wrapped diagonal that touches every row and column of tiles three
/// times, and the tiles of the largest and the smallest mean square; thinned out evenly.
std::vector<int64_t> sample_tiles(const RotatedWeight& rotated) {
  const int64_t rows = rotated.padded_in / kTileSize;
  const int64_t columns = rotated.padded_out / kTileSize;
  const int64_t longer = std::max(rows, columns);
  std::vector<int64_t> sample;
  for (int64_t width = 0; width < 3; ++width) {
    for (int64_t i = 0; i < longer; ++i) {
      sample.push_back(i % rows * columns + (i + width) % columns);
    }
  }

  std::vector<double> power(static_cast<size_t>(rows * columns));
  for (size_t tile = 0; tile < power.size(); ++tile) {
    const auto index = static_cast<int64_t>(tile);
    power[tile] = mean_square(rotated, index / columns, index % columns);
  }
  std::vector<int64_t> by_power(power.size());
  std::iota(by_power.begin(), by_power.end(), 0);
  std::ranges::stable_sort(by_power, {}, [&](int64_t tile) {
    return power[static_cast<size_t>(tile)];
  });
  const auto extremes =
      static_cast<size_t>(std::min(std::max<int64_t>(8, 3 * longer / 16), rows * columns / 2));
  sample.insert(sample.end(), by_power.begin(), by_power.begin() + static_cast<long>(extremes));
  sample.insert(sample.end(), by_power.end() - static_cast<long>(extremes), by_power.end());

  const size_t wanted = std::max(kMinSample, static_cast<size_t>(rows * columns / kSampleShare));
  if (sample.size() <= wanted) return sample;
  std::vector<int64_t> thinned(wanted);
  for (size_t index = 0; index < wanted; ++index) {
    thinned[index] = sample[index * sample.size() / wanted];
  }
  return thinned;
}

/// Where the search begins: the best gain for normal numbers of deviation kCodebookScale.
float usual_gain(exl3::Codebook codebook, int bits) {
  constexpr std::array<float, exl3::kMaxBits> kSumCodebooks = {1.15f, 1.0f, 0.945f, 0.9f,
                                                               0.85f, 0.8f, 0.75f,  0.7f};
  const float gain = kSumCodebooks[static_cast<size_t>(bits - 1)];
  return codebook == exl3::Codebook::kMul1 ? 0.8f * gain : gain;
}

/// The error of the sample at a gain, in units of the values.
class SampleError {
 public:
  SampleError(
      const RotatedWeight& rotated, const TileEncoder& encoder, ThreadPool& pool,
      std::span<TileEncoder::Workspace> workspaces
  )
      : rotated_(rotated),
        encoder_(encoder),
        pool_(pool),
        workspaces_(workspaces),
        sample_(sample_tiles(rotated)),
        weights_(sample_.size() * kTileWeights),
        states_(weights_.size()) {}

  double operator()(float gain) {
    const int64_t columns = rotated_.padded_out / kTileSize;
    for (size_t index = 0; index < sample_.size(); ++index) {
      const int64_t tile = sample_[index];
      gather_tile(
          rotated_, tile / columns, tile % columns, gain, weights_.data() + index * kTileWeights
      );
    }
    const std::vector<double> errors = encoder_.encode_tiles(weights_, states_, pool_, workspaces_);
    return std::accumulate(errors.begin(), errors.end(), 0.0) / (static_cast<double>(gain) * gain);
  }

 private:
  const RotatedWeight& rotated_;
  const TileEncoder& encoder_;
  ThreadPool& pool_;
  std::span<TileEncoder::Workspace> workspaces_;
  std::vector<int64_t> sample_;
  std::vector<float> weights_;
  std::vector<uint16_t> states_;
};

}  // namespace

void gather_tile(
    const RotatedWeight& rotated, int64_t tile_row, int64_t tile_column, float gain, float* weights
) {
  const float* corner =
      rotated.values.data() + tile_row * kTileSize * rotated.padded_out + tile_column * kTileSize;
  for (int step = 0; step < kTileWeights; ++step) {
    const exl3::TilePosition position = exl3::position_of_step(step);
    weights[step] = corner[position.row * rotated.padded_out + position.column] * gain;
  }
}

float search_gain(
    const RotatedWeight& rotated, const TileEncoder& encoder, ThreadPool& pool,
    std::span<TileEncoder::Workspace> workspaces
) {
  SampleError measure(rotated, encoder, pool, workspaces);
  const float start = usual_gain(encoder.codebook(), encoder.bits());
  std::map<int, double> errors;  // by distance from the start in steps
  const auto gain_at = [&](int distance) { return start + kStep * static_cast<float>(distance); };
  const auto error_at = [&](int distance) {
    if (gain_at(distance) < kSmallestGain) return HUGE_VAL;
    const auto found = errors.find(distance);
    if (found != errors.end()) return found->second;
    return errors[distance] = measure(gain_at(distance));
  };

  // Downhill until both neighbours are worse. The error has one minimum along the gain.
  int best = 0;
  for (int trial = 0; trial < kMaxTrials; ++trial) {
    if (error_at(best + 1) < error_at(best)) {
      ++best;
    } else if (error_at(best - 1) < error_at(best)) {
      --best;
    } else {
      break;
    }
  }
  const double below = error_at(best - 1);
  const double at = error_at(best);
  const double above = error_at(best + 1);
  const double curvature = below - 2.0 * at + above;
  if (!std::isfinite(curvature) || curvature <= 0.0) return gain_at(best);
  const double offset = std::clamp(0.5 * (below - above) / curvature, -0.5, 0.5);
  return gain_at(best) + kStep * static_cast<float>(offset);
}

}  // namespace trellis
