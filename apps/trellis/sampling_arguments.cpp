#include "apps/trellis/sampling_arguments.h"

#include "apps/trellis/option_values.h"
#include "apps/trellis/verbs.h"
#include "base/result.h"
#include "sampling/pipeline.h"
#include "sampling/validate.h"

#include <algorithm>
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

/// "top_k,temperature" as its steps.
std::vector<SamplingStep> parse_order(const std::string& text) {
  std::vector<SamplingStep> order;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const auto step = parse_sampling_step(std::string_view(text).substr(begin, end - begin));
    if (!step) {
      throw UsageError(
          "--sampler-order: expected some of temperature, top_n_sigma, top_k, typical_p, top_p, "
          "min_p, xtc and mirostat with commas between them, found \"{}\"",
          text
      );
    }
    order.push_back(*step);
    begin = end + 1;
  }
  return order;
}

}  // namespace

void add_sampling_options(CLI::App& command, SamplingArguments& arguments) {
  static constexpr const char* kGroup =
      "Sampling (default: the model's generation_config.json, else temperature 1 and all else off)";
  const auto add = [&command](const char* name, auto& value, const char* description) {
    return command.add_option(name, value, description)->group(kGroup);
  };
  any_number(add("--temperature", arguments.temperature, "0 = always the most probable token"));
  any_number(
      add("--temperature-range", arguments.temperature_range,
          "The temperature is up to X lower or higher, with the entropy; 0 = fixed")
  );
  any_number(
      add("--temperature-exponent", arguments.temperature_exponent,
          "Power of the entropy, from 0 to 1, that it follows")
  );
  any_number(
      add("--top-n-sigma", arguments.top_n_sigma,
          "Keep logits at most X standard deviations behind the best; 0 = all")
  );
  whole_number(
      add("--top-k", arguments.top_k, "Keep the N most probable tokens; 0 = all"), 0, INT32_MAX
  );
  any_number(
      add("--typical-p", arguments.typical_p,
          "Keep the tokens nearest to the expected surprise, of probability X; 1 = all")
  );
  any_number(add("--top-p", arguments.top_p, "Keep the fewest tokens of probability X; 1 = all"));
  any_number(add(
      "--min-p", arguments.min_p, "Keep tokens at least X times as probable as the best; 0 = off"
  ));
  any_number(
      add("--xtc-probability", arguments.xtc_probability,
          "Probability of excluding all top choices but the last; 0 = off")
  );
  any_number(
      add("--xtc-threshold", arguments.xtc_threshold,
          "Probability from which on a token is a top choice")
  );
  any_number(
      add("--mirostat-tau", arguments.mirostat_tau,
          "Keeps the surprise of the tokens near X bits (mirostat 2); 0 = off")
  );
  any_number(add("--mirostat-eta", arguments.mirostat_eta, "How fast mirostat follows its target"));
  add("--sampler-order", arguments.sampler_order,
      "What cuts and reshapes, in this order; the rest follows in the default order temperature, "
      "top_n_sigma, top_k, typical_p, top_p, min_p, xtc, mirostat")
      ->type_name("NAME,NAME");
  any_number(
      add("--repetition-penalty", arguments.repetition_penalty,
          "Above 1: tokens seen before become less probable; 1 = off")
  );
  any_number(
      add("--presence-penalty", arguments.presence_penalty,
          "Subtracted once from the logits of tokens seen before; 0 = off")
  );
  any_number(
      add("--frequency-penalty", arguments.frequency_penalty,
          "Subtracted for each time that a token came before; 0 = off")
  );
  whole_number(
      add("--penalty-range", arguments.penalty_range,
          "Penalties look at the last N tokens; 0 = all"),
      0, INT32_MAX
  );
  whole_number(
      add("--penalty-decay", arguments.penalty_decay,
          "Behind their range, penalties fade out over N tokens; 0 = at once"),
      0, INT32_MAX
  );
  any_number(
      add("--dry-multiplier", arguments.dry_multiplier,
          "Tokens that prolong a repetition lose X or more (DRY); 0 = off")
  );
  any_number(add(
      "--dry-base", arguments.dry_base, "Each further token of a repetition costs X times as much"
  ));
  whole_number(
      add("--dry-allowed-length", arguments.dry_allowed_length,
          "Repetitions of fewer than N tokens cost nothing"),
      1, INT32_MAX
  );
  whole_number(
      add("--dry-range", arguments.dry_range, "DRY looks at the last N tokens; 0 = all"), 0,
      INT32_MAX
  );
  add("--dry-breaker", arguments.dry_breakers,
      "No repetition goes across a token that contains TEXT; may be repeated, replaces newline, "
      "colon, quote and asterisk")
      ->type_name("TEXT")
      ->allow_extra_args(false);
  whole_number(
      add("--no-repeat-ngram", arguments.no_repeat_ngram_size,
          "No N tokens in a row come a second time; 0 = off"),
      0, INT32_MAX
  );
  whole_number(
      add("--ban-token", arguments.banned_tokens, "Token ID never comes; may be repeated"), 0,
      INT32_MAX
  )
      ->allow_extra_args(false);
  add("--logit-bias", arguments.logit_bias, "Adds BIAS to the logit of token ID; may be repeated")
      ->type_name("ID=BIAS")
      ->allow_extra_args(false);
  seed_number(add(
      "--seed", arguments.seed, "The same seed gives the same tokens; without it others each time"
  ));
}

SamplingParams apply(const SamplingArguments& arguments, SamplingParams params) {
  params.temperature = arguments.temperature.value_or(params.temperature);
  params.temperature_range = arguments.temperature_range.value_or(params.temperature_range);
  params.temperature_exponent =
      arguments.temperature_exponent.value_or(params.temperature_exponent);
  params.top_n_sigma = arguments.top_n_sigma.value_or(params.top_n_sigma);
  params.top_k = arguments.top_k.value_or(params.top_k);
  params.typical_p = arguments.typical_p.value_or(params.typical_p);
  params.top_p = arguments.top_p.value_or(params.top_p);
  params.min_p = arguments.min_p.value_or(params.min_p);
  params.xtc_probability = arguments.xtc_probability.value_or(params.xtc_probability);
  params.xtc_threshold = arguments.xtc_threshold.value_or(params.xtc_threshold);
  params.mirostat_tau = arguments.mirostat_tau.value_or(params.mirostat_tau);
  params.mirostat_eta = arguments.mirostat_eta.value_or(params.mirostat_eta);
  if (arguments.sampler_order) params.sampler_order = parse_order(*arguments.sampler_order);
  params.repetition_penalty = arguments.repetition_penalty.value_or(params.repetition_penalty);
  params.presence_penalty = arguments.presence_penalty.value_or(params.presence_penalty);
  params.frequency_penalty = arguments.frequency_penalty.value_or(params.frequency_penalty);
  params.penalty_range = arguments.penalty_range.value_or(params.penalty_range);
  params.penalty_decay = arguments.penalty_decay.value_or(params.penalty_decay);
  params.dry_multiplier = arguments.dry_multiplier.value_or(params.dry_multiplier);
  params.dry_base = arguments.dry_base.value_or(params.dry_base);
  params.dry_allowed_length = arguments.dry_allowed_length.value_or(params.dry_allowed_length);
  params.dry_range = arguments.dry_range.value_or(params.dry_range);
  if (!arguments.dry_breakers.empty()) params.dry_breakers = arguments.dry_breakers;
  params.no_repeat_ngram_size =
      arguments.no_repeat_ngram_size.value_or(params.no_repeat_ngram_size);
  if (arguments.seed) params.seed = arguments.seed;
  params.banned_tokens.insert(
      params.banned_tokens.end(), arguments.banned_tokens.begin(), arguments.banned_tokens.end()
  );
  for (const std::string& text : arguments.logit_bias) {
    params.logit_bias.insert_or_assign(parse_bias(text).first, parse_bias(text).second);
  }
  return params;
}

void require_valid(const SamplingArguments& arguments) {
  if (const auto error = validate(apply(arguments, {}), INT32_MAX)) throw UserError(error->message);
}

}  // namespace trellis
