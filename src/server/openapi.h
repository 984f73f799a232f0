// The OpenAPI document: requests as the field tables describe them, replies by hand.
#pragma once

#include "base/json.h"
#include "server/server_context.h"

namespace trellis::server {

Json openapi_document(const ServerContext& context);

}  // namespace trellis::server
