// One function for each endpoint, each in the file of its name. routes.cpp has their paths.
#pragma once

#include "base/result.h"
#include "server/api/request_body.h"
#include "server/reply.h"
#include "server/server_context.h"

namespace trellis::server {

// Of a model, which is loaded when they are called.
Result<Outcome> chat_completions(const ModelContext& model, const RequestBody& body);
Result<Outcome> completions(const ModelContext& model, const RequestBody& body);
Result<Outcome> messages(const ModelContext& model, const RequestBody& body);
Result<Outcome> count_message_tokens(const ModelContext& model, const RequestBody& body);
Result<Outcome> responses(const ModelContext& model, const RequestBody& body);
Result<Outcome> embeddings(const ModelContext& model, const RequestBody& body);
Result<Outcome> tokenize(const ModelContext& model, const RequestBody& body);
Result<Outcome> detokenize(const ModelContext& model, const RequestBody& body);
Result<Outcome> apply_template(const ModelContext& model, const RequestBody& body);

/// The error as Anthropic's clients look for it: OpenAI's with one thing more.
Reply messages_error(const ApiError& error);

// Of the server.
Result<Outcome> list_models(const ServerContext& context, const ApiRequest& request);
Result<Outcome> retrieve_model(const ServerContext& context, const ApiRequest& request);
Result<Outcome> health(const ServerContext& context, const ApiRequest& request);
Result<Outcome> ready(const ServerContext& context, const ApiRequest& request);
Result<Outcome> load_model(const ServerContext& context, const ApiRequest& request);
Result<Outcome> unload_model(const ServerContext& context, const ApiRequest& request);
Result<Outcome> list_model_states(const ServerContext& context, const ApiRequest& request);
Result<Outcome> cache(const ServerContext& context, const ApiRequest& request);
Result<Outcome> metrics(const ServerContext& context, const ApiRequest& request);
Result<Outcome> openapi(const ServerContext& context, const ApiRequest& request);

/// The body, which must be JSON; 400 where it is not.
Result<RequestBody> parse_body(const ApiRequest& request);

}  // namespace trellis::server
