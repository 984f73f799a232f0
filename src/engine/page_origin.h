// Which pages of a cache directory a process may use as if it had computed them.
#pragma once

#include "backend/backend.h"
#include "cache/cache_storage.h"
#include "cache/page_file.h"
#include "trellis/engine.h"

namespace trellis {

/// Of pages that this model computes on this backend with these options. Reads all weights, at the
/// speed of memory where they were read before. Throws UserError.
PageOrigin page_origin(const EngineOptions& options, const Backend& backend, const CacheSpec& spec);

}  // namespace trellis
