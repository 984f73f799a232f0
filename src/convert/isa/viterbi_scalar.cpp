// The trellis search step in plain loops: runs everywhere and defines what the others compute.
#include "convert/viterbi_kernel.h"

namespace trellis::scalar {
namespace {

void advance(const ViterbiStep& step) {
  const int num_choices = 1 << step.bits;
  const int num_edges = 1 << (16 - step.bits);
  const int choice_shift = 16 - 2 * step.bits;
  for (int block = 0; block < num_edges; block += kViterbiBlock) {
    const float* values = step.table + static_cast<int64_t>(block) * num_choices;
    for (int lane = 0; lane < kViterbiBlock; ++lane) {
      const int edge = block + lane;
      const float* incoming = step.costs_before + (edge >> step.bits);
      float best = 0.0f;
      int winner = 0;
      for (int k = 0; k < num_choices; ++k) {
        const float distance = values[k * kViterbiBlock + lane] - step.weight;
        const float cost = distance * distance + incoming[k << choice_shift];
        if (k == 0 || cost < best) {
          best = cost;
          winner = k;
        }
      }
      step.costs_after[edge] = best;
      step.choices[edge] = static_cast<uint8_t>(winner);
    }
  }
}

}  // namespace

const ViterbiKernel kViterbiKernel = {"scalar", advance};

}  // namespace trellis::scalar
