#include "server/model_request.h"

#include "server/api/generation_fields.h"
#include "server/api/value.h"
#include "server/routes/endpoints.h"

#include <utility>

namespace trellis::server {
namespace {

constexpr int kUnavailable = 503;
constexpr const char* kRetryAfterSeconds = "5";

class UsingPending final : public PendingReply {
 public:
  UsingPending(std::unique_ptr<PendingReply> reply, ModelUse use)
      : use_(std::move(use)), reply_(std::move(reply)) {}
  void on_ready(std::function<void()> wake) override { reply_->on_ready(std::move(wake)); }
  std::optional<Reply> poll() override { return reply_->poll(); }

 private:
  ModelUse use_;  // goes last
  std::unique_ptr<PendingReply> reply_;
};

class UsingStream final : public ReplyStream {
 public:
  UsingStream(std::unique_ptr<ReplyStream> stream, ModelUse use)
      : use_(std::move(use)), stream_(std::move(stream)) {}
  void on_ready(std::function<void()> wake) override { stream_->on_ready(std::move(wake)); }
  std::string poll() override { return stream_->poll(); }
  bool finished() const override { return stream_->finished(); }
  std::optional<AnswerFigures> figures() const override { return stream_->figures(); }

 private:
  ModelUse use_;  // goes last
  std::unique_ptr<ReplyStream> stream_;
};

/// Where the answer to a request comes from.
struct Asked {
  const ServerContext& context;
  ModelEndpoint endpoint;
  ErrorShape shape;
  std::string name;  // of the model, as the client has it; empty: the default
};

/// The load of the model is settled, which does not say that it succeeded.
Outcome answer(const Asked& asked, ModelUse use, const RequestBody& body) {
  if (const auto error = use.state().error) return error_in_shape(*error, asked.shape);
  const std::string& own = use.model_name();
  const ModelContext model = {
      asked.context, use.engine(), own, asked.name.empty() ? own : asked.name
  };
  Result<Outcome> outcome = asked.endpoint(model, body);
  if (!outcome.ok()) return error_in_shape(outcome.error(), asked.shape);
  return with_use(std::move(outcome).value(), std::move(use));
}

/// A request whose model is being loaded.
class AwaitingModel final : public PendingOutcome {
 public:
  AwaitingModel(Asked asked, ModelUse use, std::string text, Json json)
      : asked_(std::move(asked)),
        use_(std::move(use)),
        text_(std::move(text)),
        json_(std::move(json)),
        deadline_(std::chrono::steady_clock::now() + asked_.context.load_wait) {}

  void on_ready(std::function<void()> wake) override { use_.on_change(std::move(wake)); }
  bool is_ready() override { return use_.state().is_settled(); }
  std::chrono::steady_clock::time_point deadline() const override { return deadline_; }

  Outcome begin() override {
    const LoadState state = use_.state();
    if (!state.is_settled()) {
      const ApiError error = {
          kUnavailable, "model_loading",
          fmt::format(
              "the model \"{}\" is still being loaded ({:.0f} %); try again later",
              use_.model_name(), 100 * state.progress()
          ),
          "model"
      };
      return error_in_shape(error, asked_.shape);
    }
    return answer(asked_, std::move(use_), {std::move(json_), text_});
  }

 private:
  Asked asked_;
  ModelUse use_;
  std::string text_;
  Json json_;
  std::chrono::steady_clock::time_point deadline_;
};

/// The field "model" of a body; empty where it has none.
Result<std::string> model_field_of(const Json& body) {
  if (!body.is_object()) return wrong_type("the request body", "an object", body);
  const auto field = body.find("model");
  if (field == body.end() || field->is_null()) return std::string();
  return read_string(*field, "model", kMostNameCharacters);
}

}  // namespace

Outcome with_use(Outcome outcome, ModelUse use) {
  if (auto* pending = std::get_if<std::unique_ptr<PendingReply>>(&outcome)) {
    return std::make_unique<UsingPending>(std::move(*pending), std::move(use));
  }
  if (auto* stream = std::get_if<std::unique_ptr<ReplyStream>>(&outcome)) {
    return std::make_unique<UsingStream>(std::move(*stream), std::move(use));
  }
  return outcome;
}

Reply error_in_shape(const ApiError& error, ErrorShape shape) {
  Reply reply = shape(error);
  if (error.status == kUnavailable) reply.headers.emplace_back("Retry-After", kRetryAfterSeconds);
  return reply;
}

Outcome answer_with_model(
    const ServerContext& context, const ApiRequest& request, ModelEndpoint endpoint,
    ErrorShape shape
) {
  Result<RequestBody> body = parse_body(request);
  if (!body.ok()) return error_in_shape(body.error(), shape);
  Result<std::string> name = model_field_of(body.value().json);
  if (!name.ok()) return error_in_shape(name.error(), shape);
  Asked asked = {context, endpoint, shape, std::move(name).value()};
  Result<ModelUse> use = context.models.use(asked.name);
  if (!use.ok()) return error_in_shape(use.error(), shape);
  if (use.value().state().is_settled()) {
    return answer(asked, std::move(use).value(), body.value());
  }
  return std::make_unique<AwaitingModel>(
      std::move(asked), std::move(use).value(), request.body, std::move(body.value().json)
  );
}

}  // namespace trellis::server
