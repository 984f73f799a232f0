#include "server/server_context.h"

#include "base/siphash.h"

#include <algorithm>

namespace trellis::server {

Result<std::string> model_name_for(
    const ServerContext& context, const std::optional<std::string>& requested
) {
  const std::vector<std::string>& names = context.model_names;
  if (!requested) return names.front();
  if (std::find(names.begin(), names.end(), *requested) != names.end()) return *requested;
  return ApiError{
      404, "model_not_found",
      fmt::format(
          "there is no model \"{}\" here; /v1/models lists what is served, for example \"{}\"",
          requested->substr(0, 200), names.front()
      ),
      "model"
  };
}

std::string system_fingerprint(const ServerContext& context) {
  const ModelInfo& info = context.engine.info();
  const std::string text = fmt::format(
      "{}\n{}\n{}\n{}\n{}\n{}", context.version, context.model_names.front(), info.architecture,
      info.weight_bytes, info.cache_type, info.backend
  );
  const Hash128 hash = siphash128({}, std::as_bytes(std::span(text)));
  return fmt::format("fp_{:012x}", hash.low >> 16);
}

}  // namespace trellis::server
