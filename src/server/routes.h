// The table of endpoints.
#pragma once

#include "server/reply.h"
#include "server/server_context.h"

#include <vector>

namespace trellis::server {

/// The context must outlive the handlers.
std::vector<Route> make_routes(ServerContext& context);

}  // namespace trellis::server
