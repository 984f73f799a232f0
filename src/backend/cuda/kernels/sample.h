// Chooses a token from each row of logits: backend/token_choice.h says how. All pointers are device
// memory.
#pragma once

#include "backend/token_choice.h"

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace trellis::cuda {

struct SampleProblem {
  float* logits = nullptr;               // [rows, columns]
  const TokenChoice* choices = nullptr;  // [rows]
  const TokenEdit* edits = nullptr;      // [num_edits]
  int32_t* chosen = nullptr;             // [rows]; -1: no token is possible
  int rows = 0;
  int columns = 0;
  int num_edits = 0;
  bool any_draws = false;  // some choice draws()
  bool any_cuts = false;   // some choice cuts()
};

/// What the kernels hand on to one another, per row.
struct SampleScratch {
  using Key = unsigned long long;  // TokenKey

  static constexpr int kBins = 2048;

  Key* partial = nullptr;                 // [rows, sample_splits()]: the first token of each part
  Key* best = nullptr;                    // [rows]: the first token
  Key* cut = nullptr;                     // [rows]: the last token that may come
  unsigned long long* weights = nullptr;  // [rows, kBins]: by distance behind the best token
  unsigned* counts = nullptr;             // [rows, kBins]
};

/// Parts into which a row is cut for the passes that many CTAs share.
int sample_splits(int columns);

/// Edits the logits, chooses greedily, and draws where a choice does, by way of sample_cut(). One
/// launch for edits, two for greedy rows, two for a draw.
void sample(cudaStream_t stream, const SampleProblem& problem, const SampleScratch& scratch);

/// Finds the cut of every row that has one. Reads best; what weights and counts hold is lost.
void sample_cut(cudaStream_t stream, const SampleProblem& problem, const SampleScratch& scratch);

}  // namespace trellis::cuda
