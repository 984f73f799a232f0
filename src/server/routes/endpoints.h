// One function for each endpoint, each in the file of its name. routes.cpp has their paths.
#pragma once

#include "base/result.h"
#include "server/api/request_body.h"
#include "server/reply.h"
#include "server/server_context.h"

namespace trellis::server {

Result<Outcome> chat_completions(const ServerContext& context, const ApiRequest& request);
Result<Outcome> completions(const ServerContext& context, const ApiRequest& request);
Result<Outcome> messages(const ServerContext& context, const ApiRequest& request);
Result<Outcome> count_message_tokens(const ServerContext& context, const ApiRequest& request);
Result<Outcome> responses(const ServerContext& context, const ApiRequest& request);
Result<Outcome> embeddings(const ServerContext& context, const ApiRequest& request);
Result<Outcome> list_models(const ServerContext& context, const ApiRequest& request);
Result<Outcome> retrieve_model(const ServerContext& context, const ApiRequest& request);
Result<Outcome> tokenize(const ServerContext& context, const ApiRequest& request);
Result<Outcome> detokenize(const ServerContext& context, const ApiRequest& request);
Result<Outcome> apply_template(const ServerContext& context, const ApiRequest& request);
Result<Outcome> health(const ServerContext& context, const ApiRequest& request);
Result<Outcome> ready(const ServerContext& context, const ApiRequest& request);
Result<Outcome> metrics(const ServerContext& context, const ApiRequest& request);
Result<Outcome> openapi(const ServerContext& context, const ApiRequest& request);

/// The body, which must be JSON; 400 where it is not.
Result<RequestBody> parse_body(const ApiRequest& request);

}  // namespace trellis::server
