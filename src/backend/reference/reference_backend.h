// The backend that is always right: the oracle of the tests, usable for small models.
#pragma once

#include "backend/backend.h"

#include <memory>

namespace trellis {

/// Computes on the calling thread, in double. Ignores both options: it needs no threads and never
/// rounds an input.
std::unique_ptr<Backend> make_reference_backend(const BackendOptions& options);

}  // namespace trellis
