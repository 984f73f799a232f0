// The one line about speed that follows an answer.
#pragma once

#include "trellis/engine.h"

#include <string>

namespace trellis {

/// "8 tokens at 120.5 tokens/s; prompt of 15 tokens at 900.1 tokens/s". The first token of an
/// answer comes with the prompt, so the rate counts the others only; that of the prompt counts what
/// was computed: "prompt of 15 tokens (12 cached) at ...".
std::string describe_speed(const Usage& usage);

}  // namespace trellis
