// What a step costs the host: how long the device would wait if it were infinitely fast.
#pragma once

#include "model/model.h"

namespace trellis {

/// Seconds that the host needs to plan, issue and commit a step of one token for each of so many
/// sequences, as the engine does with scheduler and runner; the median of many steps. Waiting for
/// the device is not counted, texts and events are not part of it. A backend that computes at once,
/// as the CPU's, counts with its computing.
double host_step_s(const Model& model, Backend& backend, KvTypes cache_types, int num_sequences);

}  // namespace trellis
