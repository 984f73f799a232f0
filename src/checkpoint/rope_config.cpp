#include "checkpoint/rope_config.h"

#include "base/error.h"

namespace trellis {
namespace {

constexpr int64_t kMaxPositions = INT32_MAX;

struct RopeTypeName {
  const char* name;
  RopeConfig::Type type;
};

constexpr RopeTypeName kRopeTypes[] = {
    {"default", RopeConfig::Type::kDefault},
    {"linear", RopeConfig::Type::kLinear},
    {"llama3", RopeConfig::Type::kLlama3},
    {"yarn", RopeConfig::Type::kYarn},
};

RopeConfig::Type read_type(const JsonObject& scaling) {
  // "type" is the older spelling of "rope_type".
  const char* key = scaling.has("rope_type") ? "rope_type" : "type";
  const std::string name = scaling.optional_string(key).value_or("default");
  std::string supported;
  for (const RopeTypeName& entry : kRopeTypes) {
    if (name == entry.name) return entry.type;
    supported += supported.empty() ? "" : ", ";
    supported += entry.name;
  }
  throw UserError(
      "{} \"{}\" is not supported; supported are {}", scaling.where(key), name, supported
  );
}

double at_least(const JsonObject& object, const char* key, double value, double minimum) {
  if (value < minimum) {
    throw UserError("{} must be at least {}, found {}", object.where(key), minimum, value);
  }
  return value;
}

double positive(const JsonObject& object, const char* key, double value) {
  if (value <= 0.0) {
    throw UserError("{} must be greater than 0, found {}", object.where(key), value);
  }
  return value;
}

double required_number(const JsonObject& object, const char* key) {
  const auto value = object.optional_number(key);
  if (!value) throw UserError("{} is missing", object.where(key));
  return *value;
}

void refuse_partial_rotation(const JsonObject& object) {
  const auto factor = object.optional_number("partial_rotary_factor");
  if (factor && *factor != 1.0) {
    throw UserError(
        "{} must be 1, found {}: heads that turn only in part are not supported",
        object.where("partial_rotary_factor"), *factor
    );
  }
}

void read_theta(const JsonObject& object, RopeConfig& rope) {
  const auto theta = object.optional_number("rope_theta");
  if (!theta) return;
  // Powers of theta are the wavelengths; at 1 or below they would not grow.
  if (*theta <= 1.0) {
    throw UserError("{} must be greater than 1, found {}", object.where("rope_theta"), *theta);
  }
  rope.theta = *theta;
}

void read_llama3(const JsonObject& scaling, RopeConfig& rope) {
  rope.low_frequency_factor =
      positive(scaling, "low_freq_factor", required_number(scaling, "low_freq_factor"));
  rope.high_frequency_factor = required_number(scaling, "high_freq_factor");
  if (rope.high_frequency_factor <= rope.low_frequency_factor) {
    throw UserError(
        "{} must be greater than low_freq_factor ({}), found {}", scaling.where("high_freq_factor"),
        rope.low_frequency_factor, rope.high_frequency_factor
    );
  }
}

void read_yarn(const JsonObject& scaling, RopeConfig& rope) {
  // As in the reference implementation a zero stands for the default.
  const auto number_or = [&](const char* key, double fallback) {
    const double value = scaling.optional_number(key).value_or(0.0);
    return value == 0.0 ? fallback : positive(scaling, key, value);
  };
  rope.beta_fast = number_or("beta_fast", rope.beta_fast);
  rope.beta_slow = number_or("beta_slow", rope.beta_slow);
  rope.attention_factor = scaling.optional_number("attention_factor");
  if (rope.attention_factor) positive(scaling, "attention_factor", *rope.attention_factor);
  rope.mscale = scaling.optional_number("mscale");
  rope.mscale_all_dim = scaling.optional_number("mscale_all_dim");
  for (const char* key : {"mscale", "mscale_all_dim"}) {
    const auto value = scaling.optional_number(key);
    if (value) at_least(scaling, key, *value, 0.0);
  }
  rope.truncate = scaling.optional_bool("truncate").value_or(true);
}

}  // namespace

RopeConfig read_rope_config(const JsonObject& config) {
  RopeConfig rope;
  refuse_partial_rotation(config);
  read_theta(config, rope);
  auto scaling = config.optional_object("rope_scaling");
  if (!scaling || scaling->value().empty()) scaling = config.optional_object("rope_parameters");
  if (!scaling) return rope;

  for (const char* layer_type : {"full_attention", "sliding_attention"}) {
    if (scaling->has(layer_type)) {
      throw UserError(
          "{}: a rotary embedding per kind of layer is not supported", scaling->where(layer_type)
      );
    }
  }
  refuse_partial_rotation(*scaling);
  read_theta(*scaling, rope);
  rope.type = read_type(*scaling);
  if (rope.type == RopeConfig::Type::kDefault) return rope;

  rope.factor = at_least(*scaling, "factor", required_number(*scaling, "factor"), 1.0);
  if (rope.type == RopeConfig::Type::kLinear) return rope;

  // A field of that name beside the scaling wins over the one inside it, as in the reference
  // implementation.
  const JsonObject& holder = config.has("original_max_position_embeddings") ? config : *scaling;
  rope.original_max_position_embeddings =
      holder.optional_int("original_max_position_embeddings", 1, kMaxPositions).value_or(0);
  if (rope.type == RopeConfig::Type::kLlama3) {
    read_llama3(*scaling, rope);
  } else {
    read_yarn(*scaling, rope);
  }
  return rope;
}

}  // namespace trellis
