#include "apps/trellis/model_speed.h"

#include <chrono>
#include <limits>
#include <span>
#include <vector>

namespace trellis {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Any tokens do; these are spread over the vocabulary.
std::vector<int32_t> make_tokens(int64_t count, int64_t vocab) {
  constexpr int64_t kStride = 7919;
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    tokens[static_cast<size_t>(i)] = static_cast<int32_t>((i + 1) * kStride % vocab);
  }
  return tokens;
}

/// Reads tokens at the positions [begin, end) of a sequence.
void read(BareModel& model, int sequence, int64_t begin, int64_t end, int64_t chunk) {
  const auto tokens = make_tokens(end, model.vocab_size());
  for (int64_t position = begin; position < end; position += chunk) {
    const int64_t count = std::min(chunk, end - position);
    const int num_logits = position + count == end ? 1 : 0;
    model.run(
        sequence, position,
        std::span(tokens).subspan(static_cast<size_t>(position), static_cast<size_t>(count)),
        num_logits
    );
  }
}

/// The first steps of a shape take longer than the others: they grow memory and are recorded. What
/// the last position finds in front of it does not matter here.
void warm_up_decoding(BareModel& model, const SpeedPlan& plan) {
  const auto tokens = make_tokens(model.num_sequences(), model.vocab_size());
  for (const int64_t position : {plan.context + plan.generate - 1, plan.context}) {
    for (int i = 0; i < 3; ++i) model.run_all(position, tokens);
  }
}

}  // namespace

Timing time_prompts(BareModel& model, const SpeedPlan& plan, ProgressBar& bar) {
  read(
      model, 0, 0, std::min(plan.chunk, plan.prompt), plan.chunk
  );  // touches weights, grows memory
  Timing timing;
  for (int sequence = 0; sequence < model.num_sequences(); ++sequence) {
    const Clock::time_point begin = Clock::now();
    read(model, sequence, 0, plan.prompt, plan.chunk);
    timing.seconds += seconds_since(begin);
    timing.tokens += plan.prompt;
    bar.update(sequence + 1, model.num_sequences());
  }
  return timing;
}

Timing time_decoding(BareModel& model, const SpeedPlan& plan, ProgressBar& bar) {
  for (int sequence = 0; sequence < model.num_sequences(); ++sequence) {
    if (plan.context > plan.prompt) read(model, sequence, plan.prompt, plan.context, plan.chunk);
  }
  warm_up_decoding(model, plan);
  Timing timing;
  const auto tokens = make_tokens(model.num_sequences(), model.vocab_size());
  for (int64_t i = 0; i < plan.generate; ++i) {
    const Clock::time_point begin = Clock::now();
    model.run_all(plan.context + i, tokens);
    timing.seconds += seconds_since(begin);
    timing.tokens += model.num_sequences();
    bar.update(static_cast<double>(i + 1), static_cast<double>(plan.generate));
  }
  return timing;
}

double fastest_step_s(BareModel& model, int64_t position, int64_t num_tokens, int repetitions) {
  const auto tokens = make_tokens(num_tokens, model.vocab_size());
  double fastest = std::numeric_limits<double>::max();
  for (int i = 0; i < repetitions; ++i) {
    const Clock::time_point begin = Clock::now();
    model.run(0, position, tokens, static_cast<int>(num_tokens));
    fastest = std::min(fastest, seconds_since(begin));
  }
  return fastest;
}

}  // namespace trellis
