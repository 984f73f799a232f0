// GET /v1/models and /v1/models/{id}
#include "server/api/answer_json.h"
#include "server/routes/endpoints.h"

namespace trellis::server {
namespace {

constexpr std::string_view kPath = "/v1/models/";

OrderedJson model_json(const ServerContext& context, const std::string& name) {
  return {
      {"id", name},
      {"object", "model"},
      {"created", context.created},
      {"owned_by", "trellis"},
      {"root", context.model_names.front()},
      {"max_model_len", context.engine.info().context_tokens}
  };
}

}  // namespace

Result<Outcome> list_models(const ServerContext& context, const ApiRequest&) {
  OrderedJson document = {{"object", "list"}, {"data", OrderedJson::array()}};
  for (const std::string& name : context.model_names) {
    document["data"].push_back(model_json(context, name));
  }
  Reply reply;
  reply.body = to_text(document);
  return Outcome(std::move(reply));
}

Result<Outcome> retrieve_model(const ServerContext& context, const ApiRequest& request) {
  const auto name = model_name_for(context, request.path.substr(kPath.size()));
  if (!name.ok()) return name.error();
  Reply reply;
  reply.body = to_text(model_json(context, name.value()));
  return Outcome(std::move(reply));
}

}  // namespace trellis::server
