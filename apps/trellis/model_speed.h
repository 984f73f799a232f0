// How fast a model reads prompts and decodes: what `trellis bench` measures, without its options.
#pragma once

#include "apps/trellis/bare_model.h"
#include "apps/trellis/progress_bar.h"

#include <algorithm>
#include <cstdint>

namespace trellis {

/// What each sequence of a model does.
struct SpeedPlan {
  int64_t prompt = 512;    // tokens read and timed
  int64_t context = 512;   // positions in the cache before the first token that is decoded
  int64_t generate = 128;  // tokens decoded and timed
  int64_t chunk = 512;     // prompt tokens of one step

  int64_t sequence_tokens() const { return std::max(prompt, context + generate); }
};

struct Timing {
  int64_t tokens = 0;
  double seconds = 0;

  double tokens_per_s() const { return seconds > 0 ? static_cast<double>(tokens) / seconds : 0; }
};

/// Reads each sequence's prompt, one after the other.
Timing time_prompts(BareModel& model, const SpeedPlan& plan, ProgressBar& bar);

/// Fills each sequence up to the plan's context and decodes from there, all sequences in one step.
/// Prompts must have been read.
Timing time_decoding(BareModel& model, const SpeedPlan& plan, ProgressBar& bar);

/// Seconds of the fastest of `repetitions` steps of num_tokens tokens of the first sequence, with
/// the logits of all: a step that checks tokens which were guessed.
double fastest_step_s(BareModel& model, int64_t position, int64_t num_tokens, int repetitions);

}  // namespace trellis
