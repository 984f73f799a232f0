// POST /v1/model/load: loads a model and tells how far that is.
#include "server/api/answer_json.h"
#include "server/api/model_request_fields.h"
#include "server/error_reply.h"
#include "server/generated_reply.h"
#include "server/routes/endpoints.h"

namespace trellis::server {
namespace {

OrderedJson load_json(
    const ServerContext& context, const std::string& name, const LoadState& load
) {
  OrderedJson json = {
      {"model", name},
      {"state", model_state_name(load.state)},
      {"progress", load.progress()},
      {"done_bytes", load.done_bytes},
      {"total_bytes", load.total_bytes}
  };
  if (load.state != ModelState::kReady) return json;
  const Result<ModelStatus> status = context.models.status(name);
  if (status.ok()) json["memory_bytes"] = status.value().memory_bytes;
  if (status.ok() && status.value().info) json["load_seconds"] = status.value().info->load_s;
  return json;
}

class LoadReply final : public PendingReply {
 public:
  LoadReply(const ServerContext& context, ModelUse use) : context_(context), use_(std::move(use)) {}

  void on_ready(std::function<void()> wake) override { use_.on_change(std::move(wake)); }

  std::optional<Reply> poll() override {
    const LoadState load = use_.state();
    if (!load.is_settled()) return std::nullopt;
    if (load.error) return error_reply(*load.error);
    Reply reply;
    reply.body = to_text(load_json(context_, use_.model_name(), load));
    return reply;
  }

 private:
  const ServerContext& context_;
  ModelUse use_;
};

/// An event at the beginning, for each further part of the weights, and at the end.
class LoadStream final : public ReplyStream {
 public:
  LoadStream(const ServerContext& context, ModelUse use)
      : context_(context), use_(std::move(use)) {}

  void on_ready(std::function<void()> wake) override { use_.on_change(std::move(wake)); }

  std::string poll() override {
    const LoadState load = use_.state();
    if (finished_ || (last_ && !load.is_settled() && load.done_bytes == *last_)) return {};
    last_ = load.done_bytes;
    finished_ = load.is_settled();
    if (load.error) return sse_event(error_body(*load.error));
    const std::string event = sse_event(to_text(load_json(context_, use_.model_name(), load)));
    return finished_ ? event + sse_event("[DONE]") : event;
  }

  bool finished() const override { return finished_; }

 private:
  const ServerContext& context_;
  ModelUse use_;
  std::optional<size_t> last_;  // bytes that were told of
  bool finished_ = false;
};

}  // namespace

/// A client that leaves does not end the load.
Result<Outcome> load_model(const ServerContext& context, const ApiRequest& request) {
  const Result<RequestBody> body = parse_body(request);
  if (!body.ok()) return body.error();
  LoadModelRequest asked;
  if (auto error = read_fields(body.value().json, "", load_model_request_fields(), asked)) {
    return *error;
  }
  Result<ModelUse> use = context.models.load(asked.model, asked.options);
  if (!use.ok()) return use.error();
  if (!asked.stream) {
    return Outcome(std::make_unique<LoadReply>(context, std::move(use).value()));
  }
  return Outcome(std::make_unique<LoadStream>(context, std::move(use).value()));
}

}  // namespace trellis::server
