#include "server/routes.h"

#include "server/error_reply.h"
#include "server/routes/endpoints.h"

namespace trellis::server {
namespace {

struct Entry {
  const char* method;
  const char* path;
  Access access;
  Result<Outcome> (*endpoint)(const ServerContext& context, const ApiRequest& request);
};

constexpr Entry kEntries[] = {
    {"POST", "/v1/chat/completions", Access::kUser, chat_completions},
    {"POST", "/v1/completions", Access::kUser, completions},
    {"POST", "/v1/messages", Access::kUser, messages},
    {"POST", "/v1/messages/count_tokens", Access::kUser, count_message_tokens},
    {"POST", "/v1/responses", Access::kUser, responses},
    {"POST", "/v1/embeddings", Access::kUser, embeddings},
    {"GET", "/v1/models", Access::kUser, list_models},
    {"GET", "/v1/models/*", Access::kUser, retrieve_model},
    {"POST", "/tokenize", Access::kUser, tokenize},
    {"POST", "/detokenize", Access::kUser, detokenize},
    {"POST", "/apply-template", Access::kUser, apply_template},
    {"GET", "/health", Access::kOpen, health},
    {"GET", "/ready", Access::kOpen, ready},
    {"GET", "/metrics", Access::kUser, metrics},
    {"GET", "/openapi.json", Access::kOpen, openapi},
};

}  // namespace

std::vector<Route> make_routes(ServerContext& context) {
  std::vector<Route> routes;
  for (const Entry& entry : kEntries) {
    routes.push_back(
        {entry.method, entry.path, entry.access,
         [&context, endpoint = entry.endpoint](const ApiRequest& request) -> Outcome {
           Result<Outcome> outcome = endpoint(context, request);
           if (!outcome.ok()) return error_reply(outcome.error());
           return std::move(outcome).value();
         }}
    );
  }
  return routes;
}

}  // namespace trellis::server
