#include "base/half.h"
#include "convert/viterbi.h"
#include "exl3/golden_file.h"
#include "exl3/trellis.h"

#include <gtest/gtest.h>

#include <array>

namespace trellis::golden {
namespace {

using exl3::kTileWeights;

exl3::Codebook codebook_of(const SafetensorsFile& file) {
  const auto found = file.metadata().find("codebook");
  if (found == file.metadata().end()) throw UserError("the metadata names no codebook");
  for (const auto codebook :
       {exl3::Codebook::k3inst, exl3::Codebook::kMcg, exl3::Codebook::kMul1}) {
    if (found->second == exl3::codebook_name(codebook)) return codebook;
  }
  throw UserError("unknown codebook {}", found->second);
}

double mean_squared_error(exl3::Codebook codebook, const uint16_t* states, const float* weights) {
  double sum = 0.0;
  for (int step = 0; step < kTileWeights; ++step) {
    const double value = half_to_float(exl3::decode(codebook, states[step]));
    sum += (value - weights[step]) * (value - weights[step]);
  }
  return sum / kTileWeights;
}

}  // namespace

void check_encoding(const SafetensorsFile& file) {
  const exl3::Codebook codebook = codebook_of(file);
  const auto tiles = read<float>(file, "tiles", DType::kFloat32, 2);
  const auto packed = read<uint16_t>(file, "packed_fp16cost", DType::kInt16, 2);
  const auto decoded = read<uint16_t>(file, "recon_fp16cost", DType::kFloat16, 2);
  const auto states_fp16 = read<uint16_t>(file, "states_fp16cost", DType::kInt16, 2);
  const auto states_fp64 = read<uint16_t>(file, "states_fp64cost", DType::kInt16, 2);
  const auto error_fp16 = read<float>(file, "mse_fp16cost", DType::kFloat32, 1);
  const auto error_fp64 = read<float>(file, "mse_fp64cost", DType::kFloat32, 1);
  const int64_t num_tiles = tiles.shape[0];
  const auto bits = static_cast<int>(packed.shape[1] / 16);
  if (num_tiles == 0) throw UserError("there are no tiles");
  if (bits < exl3::kMinBits || bits > exl3::kMaxBits) {
    throw UserError("packed_fp16cost has shape {}, not 1 to 8 bits", packed.shape.to_string());
  }
  expect_shape("tiles", tiles.shape, {num_tiles, kTileWeights});
  expect_shape("packed_fp16cost", packed.shape, {num_tiles, 16 * bits});
  expect_shape("recon_fp16cost", decoded.shape, tiles.shape);
  expect_shape("states_fp16cost", states_fp16.shape, tiles.shape);
  expect_shape("states_fp64cost", states_fp64.shape, tiles.shape);
  expect_shape("mse_fp16cost", error_fp16.shape, {num_tiles});
  expect_shape("mse_fp64cost", error_fp64.shape, {num_tiles});

  const TileEncoder encoder(codebook, bits);
  TileEncoder::Workspace workspace(encoder);
  for (size_t tile = 0; tile < static_cast<size_t>(num_tiles); ++tile) {
    SCOPED_TRACE("tile " + std::to_string(tile));
    const float* weights = tiles.data.data() + tile * kTileWeights;
    const uint16_t* states = states_fp16.data.data() + tile * kTileWeights;

    // The reference's own encoding: packed as we pack, decoded as we decode, as good as it says.
    std::array<uint32_t, exl3::tile_words(exl3::kMaxBits)> words{};
    exl3::load_tile(packed.data.data(), static_cast<int64_t>(tile), bits, words.data());
    std::array<uint32_t, exl3::tile_words(exl3::kMaxBits)> repacked{};
    exl3::pack_tile(states, bits, repacked.data());
    EXPECT_EQ(repacked, words);
    for (int step = 0; step < kTileWeights; ++step) {
      const uint32_t state = exl3::state_at(words.data(), bits, step);
      ASSERT_EQ(state, states[step]) << "step " << step;
      ASSERT_EQ(
          exl3::decode(codebook, state),
          decoded.data[tile * kTileWeights + static_cast<size_t>(step)]
      ) << "step "
        << step;
    }
    const double fp16_error = mean_squared_error(codebook, states, weights);
    EXPECT_NEAR(fp16_error, error_fp16.data[tile], 1e-6 * fp16_error);
    const uint16_t* best = states_fp64.data.data() + tile * kTileWeights;
    const double fp64_error = mean_squared_error(codebook, best, weights);
    EXPECT_TRUE(exl3::is_tail_biting(best, bits));
    EXPECT_NEAR(fp64_error, error_fp64.data[tile], 1e-6 * fp64_error);

    // Ours: as good as the search with float64 costs.
    std::array<uint16_t, kTileWeights> ours{};
    encoder.encode(weights, workspace, ours.data());
    EXPECT_TRUE(exl3::is_tail_biting(ours.data(), bits));
    EXPECT_LE(
        mean_squared_error(codebook, ours.data(), weights),
        (bits == 1 ? 1.05 : 1.02) * error_fp64.data[tile]
    );
  }
}

}  // namespace trellis::golden
