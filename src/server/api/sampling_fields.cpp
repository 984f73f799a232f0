#include "server/api/sampling_fields.h"

#include <charconv>
#include <cmath>

namespace trellis::server {
namespace {

using S = SamplingFields;

constexpr size_t kMostIdDigits = 9;
constexpr size_t kMostBreakers = 64;
constexpr size_t kMostBreakerCharacters = 256;
constexpr SamplingStep kSteps[] = {SamplingStep::kTemperature, SamplingStep::kTopNSigma,
                                   SamplingStep::kTopK,        SamplingStep::kTypicalP,
                                   SamplingStep::kTopP,        SamplingStep::kMinP,
                                   SamplingStep::kXtc,         SamplingStep::kMirostat};

std::optional<ApiError> read_order(const Json& value, const std::string& path, SamplingParams& p) {
  auto names = read_strings(value, path, std::size(kSteps), 64);
  if (!names.ok()) return names.error();
  p.sampler_order.clear();
  for (const std::string& name : names.value()) {
    const auto step = parse_sampling_step(name);
    if (!step) {
      return invalid_value(
          path, fmt::format(
                    "{} may name temperature, top_n_sigma, top_k, typical_p, top_p, min_p, xtc and "
                    "mirostat, found \"{}\"",
                    path, name
                )
      );
    }
    p.sampler_order.push_back(*step);
  }
  return std::nullopt;
}

std::optional<ApiError> read_bias(const Json& value, const std::string& path, SamplingParams& p) {
  if (!value.is_object()) return wrong_type(path, "an object with token ids as keys", value);
  for (const auto& [key, entry] : value.items()) {
    const std::string where = join_path(path, key);
    int32_t id = 0;
    const auto parsed = std::from_chars(key.data(), key.data() + key.size(), id);
    const bool whole = parsed.ec == std::errc() && parsed.ptr == key.data() + key.size();
    if (!whole || id < 0 || key.size() > kMostIdDigits) {
      return invalid_value(
          path, fmt::format("{} needs token ids as keys, found \"{}\"", path, key)
      );
    }
    const Result<double> bias = read_number(entry, where, {-100.0, 100.0});
    if (!bias.ok()) return ApiError{400, bias.error().code, bias.error().message, path};
    p.logit_bias.insert_or_assign(id, static_cast<float>(bias.value()));
  }
  return std::nullopt;
}

/// -1 stands for a random seed, as without the field.
std::optional<ApiError> read_seed(const Json& value, const std::string& path, SamplingParams& p) {
  const Result<int64_t> seed = read_integer(value, path, -1, INT64_MAX);
  if (!seed.ok()) return seed.error();
  p.seed.reset();
  if (seed.value() >= 0) p.seed = static_cast<uint64_t>(seed.value());
  return std::nullopt;
}

std::optional<ApiError> read_mirostat_mode(const Json& value, const std::string& path, S& fields) {
  const Result<int64_t> mode = read_integer(value, path, 0, 2);
  if (!mode.ok()) return mode.error();
  if (mode.value() == 1) {
    return unsupported(path, fmt::format("{} 1 is not supported; use 2, or 0 for none", path));
  }
  fields.mirostat_mode = static_cast<int>(mode.value());
  return std::nullopt;
}

/// A field that a function reads into the parameters.
Field<S> params_field(
    const char* name, Json schema,
    std::optional<ApiError> (*read)(const Json&, const std::string&, SamplingParams&)
) {
  return {name, std::move(schema), [read](const Json& value, const std::string& path, S& fields) {
            return read(value, path, fields.params);
          }};
}

Json sampler_order_schema() {
  Json names = Json::array();
  for (const SamplingStep step : kSteps) names.push_back(sampling_step_name(step));
  return {
      {"type", "array"},
      {"maxItems", std::size(kSteps)},
      {"items", {{"enum", names}}},
      {"uniqueItems", true},
      {"description", "These come first, the others in the default order."}
  };
}

Fields<S> make_fields() {
  using P = SamplingParams;
  // Fields of SamplingParams with one name or several.
  Fields<P> p;
  const auto add = [&p](const Field<P>& field, std::initializer_list<const char*> aliases = {}) {
    p = p + with_aliases(field, aliases);
  };
  add(number_field("temperature", &P::temperature, {0, 100}));
  add(number_field("temperature_range", &P::temperature_range, {0, 100}), {"dynatemp_range"});
  add(number_field("temperature_exponent", &P::temperature_exponent, {0, 100}),
      {"dynatemp_exponent", "temp_exponent"});
  add(number_field("top_n_sigma", &P::top_n_sigma, {0, 1000}), {"nsigma"});
  add(count_field("top_k", &P::top_k));
  add(number_field("typical_p", &P::typical_p, {0, 1, true}), {"typical"});
  add(number_field("top_p", &P::top_p, {0, 1, true}));
  add(number_field("min_p", &P::min_p, {0, 1}));
  add(number_field("xtc_probability", &P::xtc_probability, {0, 1}));
  add(number_field("xtc_threshold", &P::xtc_threshold, {0, 1, true}));
  add(number_field("mirostat_tau", &P::mirostat_tau, {0, 100}));
  add(number_field("mirostat_eta", &P::mirostat_eta, {0, 1}));
  add(number_field("repetition_penalty", &P::repetition_penalty, {0, 100, true}),
      {"repeat_penalty", "rep_pen"});
  add(number_field("presence_penalty", &P::presence_penalty, {-100, 100}));
  add(number_field("frequency_penalty", &P::frequency_penalty, {-100, 100}));
  add(count_field("penalty_range", &P::penalty_range),
      {"repeat_last_n", "repetition_range", "repetition_penalty_range", "rep_pen_range"});
  add(count_field("penalty_decay", &P::penalty_decay), {"repetition_decay"});
  add(number_field("dry_multiplier", &P::dry_multiplier, {0, 100}));
  add(number_field("dry_base", &P::dry_base, {1, 100}));
  add(integer_field("dry_allowed_length", &P::dry_allowed_length, 1, INT32_MAX));
  add(count_field("dry_range", &P::dry_range), {"dry_penalty_last_n"});
  add(value_field(
          "dry_sequence_breakers", &P::dry_breakers,
          {{"type", "array"},
           {"maxItems", kMostBreakers},
           {"items", {{"type", "string"}, {"maxLength", kMostBreakerCharacters}}}},
          [](const Json& value, const std::string& path) {
            return read_strings(value, path, kMostBreakers, kMostBreakerCharacters);
          }
      ),
      {"dry_breakers"});
  add(integer_field("no_repeat_ngram_size", &P::no_repeat_ngram_size, 0, INT32_MAX));
  add(ids_field("banned_tokens", &P::banned_tokens), {"custom_token_bans"});

  Fields<S> fields = fields_within(&S::params, p);
  fields.push_back(params_field("sampler_order", sampler_order_schema(), read_order));
  fields.push_back(params_field(
      "logit_bias",
      {{"type", "object"},
       {"propertyNames", {{"pattern", "^[0-9]{1,9}$"}}},
       {"additionalProperties", {{"type", "number"}, {"minimum", -100}, {"maximum", 100}}},
       {"description", "Added to the logits of these token ids."}},
      read_bias
  ));
  fields.push_back(params_field(
      "seed",
      {{"type", "integer"},
       {"minimum", -1},
       {"maximum", INT64_MAX},
       {"description", "The same seed gives the same tokens; -1: another one each time."}},
      read_seed
  ));
  fields.push_back(
      {"mirostat_mode",
       {{"type", "integer"}, {"enum", {0, 2}}, {"description", "0: off, 2: mirostat 2."}},
       read_mirostat_mode}
  );
  fields.push_back(number_field("min_temp", &S::min_temperature, {0, 100}));
  fields.push_back(number_field("max_temp", &S::max_temperature, {0, 100}));
  fields.push_back(bool_field("temperature_last", &S::temperature_last));

  const std::string no_sampler = "Trellis has no such sampler; leave it out";
  fields.push_back(neutral_field<S>("smoothing_factor", {0}, no_sampler));
  fields.push_back(neutral_field<S>("tfs", {1}, no_sampler));
  fields.push_back(neutral_field<S>("top_a", {0}, no_sampler));
  fields.push_back(neutral_field<S>("skew", {0}, no_sampler));
  fields.push_back(neutral_field<S>("guidance_scale", {1}, no_sampler));
  fields.push_back(neutral_field<S>("use_beam_search", {false}, "there is no beam search"));
  fields.push_back(
      neutral_field<S>("bad_words", {Json::array()}, "ban tokens with banned_tokens or logit_bias")
  );
  fields.push_back(neutral_field<S>(
      "allowed_token_ids", {Json::array()}, "ban tokens with banned_tokens or logit_bias"
  ));
  fields.push_back(neutral_field<S>("token_healing", {false}, "end the prompt at a whole token"));
  return fields;
}

}  // namespace

const Fields<SamplingFields>& sampling_fields() {
  static const Fields<SamplingFields> fields = make_fields();
  return fields;
}

SamplingParams combine(const SamplingFields& fields) {
  SamplingParams params = fields.params;
  // Clients send mirostat's target even where they switch it off.
  if (fields.mirostat_mode == 0) params.mirostat_tau = 0.0f;
  if (fields.mirostat_mode.value_or(0) > 0 && params.mirostat_tau == 0.0f) {
    params.mirostat_tau = 5.0f;
  }
  const float low = fields.min_temperature.value_or(params.temperature);
  const float high = fields.max_temperature.value_or(params.temperature);
  if (low < high) {
    params.temperature = (low + high) / 2;
    params.temperature_range = (high - low) / 2;
  }
  if (fields.temperature_last && params.sampler_order.empty()) {
    for (const SamplingStep step : kSteps) {
      if (step != SamplingStep::kTemperature) params.sampler_order.push_back(step);
    }
    params.sampler_order.push_back(SamplingStep::kTemperature);
  }
  return params;
}

uint64_t seed_of_choice(uint64_t seed, size_t choice) {
  if (choice == 0) return seed;
  // SplitMix64 (Steele, Lea & Flood 2014): neighbouring seeds and choices give unrelated ones.
  uint64_t z = seed + static_cast<uint64_t>(choice) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

}  // namespace trellis::server
