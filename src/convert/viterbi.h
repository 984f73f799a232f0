// Finds the codes of a 16x16 tile: the tail-biting path through the trellis whose decoded values
// come closest to 256 given weights. Two Viterbi passes per tile: the first guesses the edge that
// the path wraps around through, the second finds the best path through that edge.
// Source: Tseng et al. 2024 (QTIP, section 3.2, tail-biting).
#pragma once

#include "base/thread_pool.h"
#include "convert/viterbi_kernel.h"
#include "exl3/codebook.h"
#include "exl3/trellis.h"

#include <cstdint>
#include <span>
#include <vector>

namespace trellis {

/// The kernels that this machine can run, the slowest (scalar) first.
std::vector<ViterbiKernel> available_viterbi_kernels();

/// Encodes tiles at one bit width with one codebook. Immutable; any thread may use it, each with a
/// Workspace of its own.
class TileEncoder {
 public:
  /// What one thread needs to encode: up to 8.5 MB at 1 bit, half of that with each further bit.
  class Workspace {
   public:
    explicit Workspace(const TileEncoder& encoder);

   private:
    friend class TileEncoder;
    std::vector<float> costs_before_;
    std::vector<float> costs_after_;
    std::vector<uint8_t> choices_;  // [256, edges]
  };

  /// bits: 1 to 8. kernel: by default the fastest that the machine can run.
  TileEncoder(exl3::Codebook codebook, int bits);
  TileEncoder(exl3::Codebook codebook, int bits, const ViterbiKernel& kernel);

  int bits() const { return bits_; }
  exl3::Codebook codebook() const { return codebook_; }

  /// Writes the states[256] of the best path found for weights[256], both in step order. The path
  /// is tail-biting. The weights must be finite. Returns the sum of squared errors.
  double encode(const float* weights, Workspace& workspace, uint16_t* states) const;

  /// One workspace for each of num_threads threads.
  std::vector<Workspace> workspaces(int num_threads) const;

  /// Encodes many tiles on all threads of a pool: states[num_tiles, 256] from weights[num_tiles,
  /// 256]. workspaces: one per thread of the pool. The result does not depend on the number of
  /// threads. Returns the sum of squared errors of each tile.
  std::vector<double> encode_tiles(
      std::span<const float> weights, std::span<uint16_t> states, ThreadPool& pool,
      std::span<Workspace> workspaces
  ) const;

  /// The value of a state.
  float value(uint16_t state) const { return values_[state]; }

 private:
  int num_edges() const { return 1 << (exl3::kStateBits - bits_); }
  void advance(const float* weights, int step, Workspace& workspace) const;
  uint32_t guess_wrapping_edge(const float* weights, Workspace& workspace) const;
  uint32_t state_before(const Workspace& workspace, int step, uint32_t edge) const;

  exl3::Codebook codebook_;
  int bits_;
  ViterbiKernel kernel_;
  std::vector<float> values_;  // [65536]
  std::vector<float> table_;   // the values in the order of ViterbiStep::table
};

}  // namespace trellis
