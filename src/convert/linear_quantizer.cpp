#include "convert/linear_quantizer.h"

#include "base/error.h"
#include "base/half.h"
#include "convert/gain_search.h"
#include "convert/rotated_weight.h"
#include "convert/viterbi.h"
#include "exl3/tile_order.h"
#include "exl3/trellis.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace trellis {
namespace {

using exl3::kTileSize;
using exl3::kTileWeights;

/// Tiles that each thread encodes between two looks at whether to go on.
constexpr int64_t kTilesPerThread = 64;

/// Rounds scales to fp16. Throws UserError if one is too large.
std::vector<uint16_t> to_halves(const std::vector<float>& scales) {
  std::vector<uint16_t> halves(scales.size());
  for (size_t index = 0; index < scales.size(); ++index) {
    halves[index] = float_to_half(scales[index]);
    if (!std::isfinite(half_to_float(halves[index]))) {
      throw UserError(
          "a channel needs the scale {}, which is beyond fp16: the weights are too large to "
          "quantize",
          scales[index]
      );
    }
  }
  return halves;
}

/// Stores an encoded tile, and its decoded values over those it was made from.
void store_tile(
    const TileEncoder& encoder, const uint16_t* states, int64_t tile, RotatedWeight& rotated,
    QuantizedLinear& linear
) {
  const int64_t columns = rotated.padded_out / kTileSize;
  float* corner = rotated.values.data() + tile / columns * kTileSize * rotated.padded_out +
                  tile % columns * kTileSize;
  for (int step = 0; step < kTileWeights; ++step) {
    const exl3::TilePosition position = exl3::position_of_step(step);
    corner[position.row * rotated.padded_out + position.column] = encoder.value(states[step]);
  }
  uint32_t words[exl3::tile_words(exl3::kMaxBits)];
  exl3::pack_tile(states, linear.bits, words);
  const int64_t bytes = exl3::tile_bytes(linear.bits);
  std::memcpy(
      reinterpret_cast<char*>(linear.trellis.data()) + tile * bytes, words,
      static_cast<size_t>(bytes)
  );
}

/// Encodes all tiles of gain * values; values hold the decoded numbers afterwards. False if
/// stopped.
bool encode_all(
    const TileEncoder& encoder, ThreadPool& pool, std::span<TileEncoder::Workspace> workspaces,
    const LinearProgress& progress, RotatedWeight& rotated, QuantizedLinear& linear
) {
  const int64_t columns = rotated.padded_out / kTileSize;
  const int64_t num_tiles = rotated.padded_in / kTileSize * columns;
  const int64_t chunk = std::min(num_tiles, kTilesPerThread * pool.num_threads());
  std::vector<float> weights(static_cast<size_t>(chunk * kTileWeights));
  std::vector<uint16_t> states(weights.size());
  for (int64_t first = 0; first < num_tiles; first += chunk) {
    if (progress && !progress(static_cast<double>(first) / static_cast<double>(num_tiles))) {
      return false;
    }
    const int64_t count = std::min(chunk, num_tiles - first);
    for (int64_t tile = 0; tile < count; ++tile) {
      const int64_t index = first + tile;
      gather_tile(
          rotated, index / columns, index % columns, linear.gain,
          weights.data() + tile * kTileWeights
      );
    }
    const auto used = static_cast<size_t>(count * kTileWeights);
    encoder.encode_tiles(
        std::span(weights).first(used), std::span(states).first(used), pool, workspaces
    );
    for (int64_t tile = 0; tile < count; ++tile) {
      store_tile(encoder, states.data() + tile * kTileWeights, first + tile, rotated, linear);
    }
  }
  return true;
}

}  // namespace

std::optional<QuantizedLinear> quantize_linear(
    const ConstTensor& weight, const LinearQuantizerOptions& options, ThreadPool& pool,
    const LinearProgress& progress
) {
  TRELLIS_CHECK(weight.rank() == 2 && weight.numel() > 0, "a weight is a matrix");
  const TileEncoder encoder(options.codebook, options.bits);
  std::vector<TileEncoder::Workspace> workspaces = encoder.workspaces(pool.num_threads());
  RotatedWeight rotated = rotate_weight(weight, options.seed, pool);

  QuantizedLinear linear;
  linear.bits = options.bits;
  linear.codebook = options.codebook;
  linear.padded_in = rotated.padded_in;
  linear.padded_out = rotated.padded_out;
  linear.trellis.resize(rotated.values.size() * static_cast<size_t>(options.bits) / 16);
  linear.gain = search_gain(rotated, encoder, pool, workspaces);
  for (float& scale : rotated.su) scale /= linear.gain;
  linear.suh = to_halves(rotated.su);
  linear.svh = to_halves(rotated.sv);
  if (!encode_all(encoder, pool, workspaces, progress, rotated, linear)) return std::nullopt;
  linear.relative_error = measure_error(weight, rotated, linear.suh, linear.svh, pool).relative();
  return linear;
}

}  // namespace trellis
