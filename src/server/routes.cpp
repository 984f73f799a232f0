#include "server/routes.h"

#include "server/error_reply.h"
#include "server/model_request.h"
#include "server/routes/endpoints.h"

namespace trellis::server {
namespace {

struct ModelEntry {
  const char* path;
  ModelEndpoint endpoint;
  ErrorShape shape = error_reply;
};

/// What a model answers, to POST of users.
constexpr ModelEntry kModelEntries[] = {
    {"/v1/chat/completions", chat_completions},
    {"/v1/completions", completions},
    {"/v1/messages", messages, messages_error},
    {"/v1/messages/count_tokens", count_message_tokens, messages_error},
    {"/v1/responses", responses},
    {"/v1/embeddings", embeddings},
    {"/tokenize", tokenize},
    {"/detokenize", detokenize},
    {"/apply-template", apply_template},
};

struct Entry {
  const char* method;
  const char* path;
  Access access;
  Result<Outcome> (*endpoint)(const ServerContext& context, const ApiRequest& request);
};

constexpr Entry kEntries[] = {
    {"GET", "/v1/models", Access::kUser, list_models},
    {"GET", "/v1/models/*", Access::kUser, retrieve_model},
    {"GET", "/v1/model/list", Access::kAdmin, list_model_states},
    {"POST", "/v1/model/load", Access::kAdmin, load_model},
    {"POST", "/v1/model/unload", Access::kAdmin, unload_model},
    {"GET", "/v1/cache", Access::kAdmin, cache},
    {"GET", "/health", Access::kOpen, health},
    {"GET", "/ready", Access::kOpen, ready},
    {"GET", "/metrics", Access::kUser, metrics},
    {"GET", "/openapi.json", Access::kOpen, openapi},
};

}  // namespace

std::vector<Route> make_routes(ServerContext& context) {
  std::vector<Route> routes;
  for (const ModelEntry& entry : kModelEntries) {
    routes.push_back(
        {"POST", entry.path, Access::kUser,
         [&context, &entry](const ApiRequest& request) {
           return answer_with_model(context, request, entry.endpoint, entry.shape);
         }}
    );
  }
  for (const Entry& entry : kEntries) {
    routes.push_back(
        {entry.method, entry.path, entry.access,
         [&context, endpoint = entry.endpoint](const ApiRequest& request) -> Outcome {
           Result<Outcome> outcome = endpoint(context, request);
           if (!outcome.ok()) return error_in_shape(outcome.error(), error_reply);
           return std::move(outcome).value();
         }}
    );
  }
  return routes;
}

}  // namespace trellis::server
