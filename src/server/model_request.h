// The way of a request to the model that it names: which one, whether it is loaded, and that it
// stays so until the answer has ended.
#pragma once

#include "server/api/request_body.h"
#include "server/reply.h"
#include "server/server_context.h"

namespace trellis::server {

/// An endpoint that needs a model. The body is borrowed.
using ModelEndpoint = Result<Outcome> (*)(const ModelContext& model, const RequestBody& body);
/// How its errors look.
using ErrorShape = Reply (*)(const ApiError& error);

/// Calls the endpoint with the model that the body's field "model" names, as soon as that is
/// loaded; for as long as context.load_wait. An answer keeps its model.
Outcome answer_with_model(
    const ServerContext& context, const ApiRequest& request, ModelEndpoint endpoint,
    ErrorShape shape
);

/// The answer, which keeps what it came from until it is destroyed.
Outcome with_use(Outcome outcome, ModelUse use);

/// The error, with a time to try again where that makes sense.
Reply error_in_shape(const ApiError& error, ErrorShape shape);

}  // namespace trellis::server
