// POST /v1/model/unload: lets a model go.
#include "server/api/answer_json.h"
#include "server/api/model_request_fields.h"
#include "server/routes/endpoints.h"

namespace trellis::server {
namespace {

Reply unloaded_reply(const std::string& name) {
  Reply reply;
  reply.body = to_text({{"model", name}, {"state", model_state_name(ModelState::kAvailable)}});
  return reply;
}

/// Once the requests that run have ended.
class UnloadReply final : public PendingReply {
 public:
  UnloadReply(std::string name, ModelWatch watch)
      : name_(std::move(name)), watch_(std::move(watch)) {}

  void on_ready(std::function<void()> wake) override { watch_.on_change(std::move(wake)); }

  std::optional<Reply> poll() override {
    const ModelState state = watch_.state().state;
    // A load that failed has left nothing either.
    if (state != ModelState::kAvailable && state != ModelState::kFailed) return std::nullopt;
    return unloaded_reply(name_);
  }

 private:
  std::string name_;
  ModelWatch watch_;
};

}  // namespace

/// A client that leaves does not keep the model.
Result<Outcome> unload_model(const ServerContext& context, const ApiRequest& request) {
  const Result<RequestBody> body = parse_body(request);
  if (!body.ok()) return body.error();
  UnloadModelRequest asked;
  if (auto error = read_fields(body.value().json, "", unload_model_request_fields(), asked)) {
    return *error;
  }
  Result<std::optional<ModelWatch>> watch = context.models.unload(asked.model, asked.force);
  if (!watch.ok()) return watch.error();
  if (!watch.value()) return Outcome(unloaded_reply(asked.model));
  return Outcome(std::make_unique<UnloadReply>(asked.model, *std::move(watch).value()));
}

}  // namespace trellis::server
