// What a module needs to run one step: passed down, never global.
#pragma once

#include "backend/args.h"
#include "backend/ops.h"
#include "cache/cache_storage.h"
#include "tensor/workspace.h"

namespace trellis {

struct StepContext {
  Ops& ops;
  Workspace& workspace;
  const DeviceStep& step;
  const CacheStorage& cache;
};

}  // namespace trellis
