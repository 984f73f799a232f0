// GET /health and /ready
#include "server/api/answer_json.h"
#include "server/routes/endpoints.h"

namespace trellis::server {

/// Whether the process is worth keeping: false once the engine has failed.
Result<Outcome> health(const ServerContext& context, const ApiRequest&) {
  const bool live = !context.engine.stats().failed;
  Reply reply;
  reply.status = live ? 200 : 503;
  reply.body = to_text({{"status", live ? "ok" : "failed"}, {"live", live}});
  return Outcome(std::move(reply));
}

/// Whether requests are welcome now.
Result<Outcome> ready(const ServerContext& context, const ApiRequest&) {
  const bool ready = !context.engine.stats().failed;
  Reply reply;
  reply.status = ready ? 200 : 503;
  reply.body = to_text({{"ready", ready}});
  return Outcome(std::move(reply));
}

}  // namespace trellis::server
