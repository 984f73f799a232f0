// GET /v1/cache: what the caches of the loaded models hold, and how often that was of use.
#include "server/api/answer_json.h"
#include "server/routes/endpoints.h"

namespace trellis::server {
namespace {

OrderedJson tier_json(const CacheTierStats& tier) {
  return {{"pages", tier.num_pages},
          {"bytes", tier.bytes},
          {"capacity_bytes", tier.capacity_bytes},
          {"hits", tier.num_hits},
          {"dropped", tier.num_dropped},
          {"failed", tier.num_failed}};
}

OrderedJson cache_json(const std::string& name, const ModelInfo& info, const EngineStats& stats) {
  const double rate = stats.prompt_tokens == 0 ? 0.0
                                               : static_cast<double>(stats.cached_tokens) /
                                                     static_cast<double>(stats.prompt_tokens);
  return {
      {"model", name},
      {"cache_type", info.cache_type},
      {"bytes", info.cache_bytes},
      {"pages", stats.num_pages},
      {"used_pages", stats.num_used_pages},
      {"cached_pages", stats.num_cached_pages},
      {"prompt_tokens", stats.prompt_tokens},
      {"cached_tokens", stats.cached_tokens},
      {"hit_rate", rate},
      {"preemptions", stats.num_preemptions},
      {"host", tier_json(stats.host_cache)},
      {"disk", tier_json(stats.disk_cache)}
  };
}

}  // namespace

Result<Outcome> cache(const ServerContext& context, const ApiRequest&) {
  OrderedJson document = {{"object", "list"}, {"data", OrderedJson::array()}};
  for (const ModelStatus& model : context.models.statuses()) {
    if (!model.info || !model.stats) continue;
    document["data"].push_back(cache_json(model.names.front(), *model.info, *model.stats));
  }
  Reply reply;
  reply.body = to_text(document);
  return Outcome(std::move(reply));
}

}  // namespace trellis::server
