// The sampling parameters of a request, by the names that clients of OpenAI, vLLM, TabbyAPI and
// llama.cpp send.
#pragma once

#include "server/api/field.h"
#include "trellis/sampling_params.h"

#include <optional>

namespace trellis::server {

/// Sampling parameters while a request is read: some fields only mean something together.
struct SamplingFields {
  SamplingParams params;  // before reading: the model's defaults
  std::optional<int> mirostat_mode;
  std::optional<float> min_temperature;
  std::optional<float> max_temperature;
  bool temperature_last = false;
};

const Fields<SamplingFields>& sampling_fields();

/// The parameters that the fields together say.
SamplingParams combine(const SamplingFields& fields);

/// The seed of the choice with this index, where a request asks for several: its own for the first,
/// others for the rest.
uint64_t seed_of_choice(uint64_t seed, size_t choice);

}  // namespace trellis::server
