// GET /v1/model/list: every model, with what administrators want to know of it.
#include "server/api/answer_json.h"
#include "server/routes/endpoints.h"

namespace trellis::server {
namespace {

OrderedJson or_null(bool there_is, OrderedJson value) {
  return there_is ? std::move(value) : OrderedJson();
}

OrderedJson state_json(const ServerContext& context, const ModelStatus& model) {
  const LoadState& load = model.load;
  const auto summary = context.models.summarize(model.names.front());
  const bool has_bits = summary && summary->bits;
  const std::string error = load.error ? load.error->message : "";
  return {
      {"id", model.names.front()},
      {"names", model.names},
      {"state", model_state_name(load.state)},
      {"progress", or_null(load.state == ModelState::kLoading, load.progress())},
      {"error", or_null(load.error.has_value(), error)},
      {"memory_bytes", model.memory_bytes},
      {"running_requests", model.num_uses},
      {"last_used", or_null(model.last_use.has_value(), model.last_use.value_or(0))},
      {"loads", model.counters.num_loads},
      {"failed_loads", model.counters.num_failed_loads},
      {"unloads", model.counters.num_unloads},
      {"architecture", or_null(summary.has_value(), summary ? summary->architecture : "")},
      {"format", or_null(summary.has_value(), summary ? summary->format : "")},
      {"bits", or_null(has_bits, has_bits ? *summary->bits : 0.0)},
      {"max_model_len",
       or_null(
           model.info || summary,
           model.info ? model.info->context_tokens : (summary ? summary->context_tokens : 0)
       )},
      {"backend", or_null(model.info.has_value(), model.info ? model.info->backend : "")},
  };
}

}  // namespace

Result<Outcome> list_model_states(const ServerContext& context, const ApiRequest&) {
  OrderedJson document = {{"object", "list"}, {"data", OrderedJson::array()}};
  for (const ModelStatus& model : context.models.list()) {
    document["data"].push_back(state_json(context, model));
  }
  Reply reply;
  reply.body = to_text(document);
  return Outcome(std::move(reply));
}

}  // namespace trellis::server
