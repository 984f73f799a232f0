// GET /health and /ready
#include "server/api/answer_json.h"
#include "server/routes/endpoints.h"

#include <algorithm>

namespace trellis::server {
namespace {

bool has_failed(ModelPool& models) {
  const std::vector<ModelStatus> all = models.statuses();
  return std::any_of(all.begin(), all.end(), [](const ModelStatus& model) {
    return model.stats && model.stats->failed;
  });
}

}  // namespace

/// Whether the process is worth keeping: false once an engine has failed.
Result<Outcome> health(const ServerContext& context, const ApiRequest&) {
  const bool live = !has_failed(context.models);
  Reply reply;
  reply.status = live ? 200 : 503;
  reply.body = to_text({{"status", live ? "ok" : "failed"}, {"live", live}});
  return Outcome(std::move(reply));
}

/// Whether requests are welcome now: the model that is loaded at start is there.
Result<Outcome> ready(const ServerContext& context, const ApiRequest&) {
  const std::optional<LoadState> starting = context.models.starting();
  const bool failed = has_failed(context.models);
  Reply reply;
  OrderedJson document = {{"ready", !starting && !failed}, {"state", failed ? "failed" : "ready"}};
  if (starting) {
    document["state"] = model_state_name(starting->state);
    document["progress"] = starting->progress();
  }
  reply.status = document["ready"] ? 200 : 503;
  reply.body = to_text(document);
  return Outcome(std::move(reply));
}

}  // namespace trellis::server
