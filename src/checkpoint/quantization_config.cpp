#include "checkpoint/quantization_config.h"

#include "base/error.h"

namespace trellis {
namespace {

std::optional<double> optional_bits(const JsonObject& object, const char* key) {
  const auto bits = object.optional_number(key);
  if (bits && (*bits <= 0.0 || *bits > 16.0)) {
    throw UserError("{} must be between 0 and 16, found {}", object.where(key), *bits);
  }
  return bits;
}

exl3::Codebook codebook_of(const JsonObject& object, const std::string& name) {
  std::string known;
  for (int i = 0; i < exl3::kNumCodebooks; ++i) {
    const auto codebook = static_cast<exl3::Codebook>(i);
    if (name == exl3::codebook_name(codebook)) return codebook;
    known += known.empty() ? "" : ", ";
    known += exl3::codebook_name(codebook);
  }
  throw UserError(
      "{} \"{}\" is not supported; supported are {}", object.where("codebook"), name, known
  );
}

}  // namespace

QuantizationConfig read_quantization_config(const JsonObject& object) {
  QuantizationConfig config;
  const auto method = object.optional_string("quant_method");
  if (!method) throw UserError("{} is missing", object.where("quant_method"));
  if (*method != "exl3") {
    throw UserError(
        "{} \"{}\" is not supported; use an EXL3 or an unquantized model",
        object.where("quant_method"), *method
    );
  }
  config.quant_method = *method;
  config.version = object.optional_string("version").value_or("");
  config.bits = optional_bits(object, "bits");
  config.head_bits = optional_bits(object, "head_bits");
  const auto codebook = object.optional_string("codebook");
  if (codebook) config.codebook = codebook_of(object, *codebook);
  return config;
}

}  // namespace trellis
