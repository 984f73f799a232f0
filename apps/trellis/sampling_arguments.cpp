#include "apps/trellis/sampling_arguments.h"

#include "apps/trellis/verbs.h"

#include <charconv>

namespace trellis {
namespace {

/// "ID=BIAS" as its two numbers.
std::pair<int32_t, float> parse_bias(const std::string& text) {
  const char* const end = text.data() + text.size();
  std::pair<int32_t, float> bias;
  const auto id = std::from_chars(text.data(), end, bias.first);
  if (id.ec == std::errc() && id.ptr != end && *id.ptr == '=') {
    const auto value = std::from_chars(id.ptr + 1, end, bias.second);
    if (value.ec == std::errc() && value.ptr == end) return bias;
  }
  throw UsageError("--logit-bias: expected ID=BIAS, for example 42=-3.5, found \"{}\"", text);
}

}  // namespace

void add_sampling_options(CLI::App& command, SamplingArguments& arguments) {
  command.add_option("--temperature", arguments.temperature, "0 = always the most probable token");
  command.add_option("--top-k", arguments.top_k, "Keep the K most probable tokens; 0 = all");
  command.add_option("--top-p", arguments.top_p, "Keep the fewest tokens of probability P");
  command.add_option(
      "--min-p", arguments.min_p, "Keep tokens at least P times as probable as the best"
  );
  command.add_option(
      "--repetition-penalty", arguments.repetition_penalty, "1 = none; above 1 avoids repetition"
  );
  command.add_option(
      "--presence-penalty", arguments.presence_penalty, "Subtracted once from tokens seen"
  );
  command.add_option(
      "--frequency-penalty", arguments.frequency_penalty, "Subtracted for each time a token came"
  );
  command.add_option("--seed", arguments.seed, "The same seed gives the same tokens");
  command.add_option("--logit-bias", arguments.logit_bias, "Added to a token's logit: ID=BIAS");
}

SamplingParams apply(const SamplingArguments& arguments, SamplingParams params) {
  params.temperature = arguments.temperature.value_or(params.temperature);
  params.top_k = arguments.top_k.value_or(params.top_k);
  params.top_p = arguments.top_p.value_or(params.top_p);
  params.min_p = arguments.min_p.value_or(params.min_p);
  params.repetition_penalty = arguments.repetition_penalty.value_or(params.repetition_penalty);
  params.presence_penalty = arguments.presence_penalty.value_or(params.presence_penalty);
  params.frequency_penalty = arguments.frequency_penalty.value_or(params.frequency_penalty);
  if (arguments.seed) params.seed = arguments.seed;
  for (const std::string& text : arguments.logit_bias) {
    params.logit_bias.insert_or_assign(parse_bias(text).first, parse_bias(text).second);
  }
  return params;
}

}  // namespace trellis
