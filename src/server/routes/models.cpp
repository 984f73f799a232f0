// GET /v1/models and /v1/models/{id}
#include "server/api/answer_json.h"
#include "server/routes/endpoints.h"

namespace trellis::server {
namespace {

constexpr std::string_view kPath = "/v1/models/";

OrderedJson model_json(
    const ServerContext& context, const ModelStatus& model, const std::string& name
) {
  OrderedJson context_tokens;  // null: its files are wrong
  if (model.info) {
    context_tokens = model.info->context_tokens;
  } else if (const auto summary = context.models.summarize(model.names.front())) {
    context_tokens = summary->context_tokens;
  }
  return {
      {"id", name},
      {"object", "model"},
      {"created", context.created},
      {"owned_by", "trellis"},
      {"root", model.names.front()},
      {"max_model_len", std::move(context_tokens)},
      {"state", model_state_name(model.load.state)}
  };
}

}  // namespace

Result<Outcome> list_models(const ServerContext& context, const ApiRequest&) {
  OrderedJson document = {{"object", "list"}, {"data", OrderedJson::array()}};
  for (const ModelStatus& model : context.models.list()) {
    for (const std::string& name : model.names) {
      document["data"].push_back(model_json(context, model, name));
    }
  }
  Reply reply;
  reply.body = to_text(document);
  return Outcome(std::move(reply));
}

Result<Outcome> retrieve_model(const ServerContext& context, const ApiRequest& request) {
  const std::string name = request.path.substr(kPath.size());
  const Result<ModelStatus> model = context.models.status(name);
  if (!model.ok()) return model.error();
  Reply reply;
  reply.body = to_text(model_json(context, model.value(), name));
  return Outcome(std::move(reply));
}

}  // namespace trellis::server
