#include "server/server_context.h"

#include "base/siphash.h"

namespace trellis::server {

std::string system_fingerprint(const ModelContext& model) {
  const ModelInfo& info = model.engine.info();
  const std::string text = fmt::format(
      "{}\n{}\n{}\n{}\n{}\n{}", model.server.version, model.own_name, info.architecture,
      info.weight_bytes, info.cache_type, info.backend
  );
  const Hash128 hash = siphash128({}, std::as_bytes(std::span(text)));
  return fmt::format("fp_{:012x}", hash.low >> 16);
}

}  // namespace trellis::server
