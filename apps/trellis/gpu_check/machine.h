// Where and with what a report was made.
#pragma once

#include "backend/backend.h"
#include "text/chat_template.h"

namespace trellis {

/// Device, driver, clocks as nvidia-smi tells them where there is one, version and commit of this
/// program, and the time.
OrderedJson describe_machine(const Backend& backend);

}  // namespace trellis
