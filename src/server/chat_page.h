// The chat page at "/": files of src/server/chat_page/, built into the program. They hold nothing
// secret and need no key; what the page asks of the server goes through the API like any other
// client's requests.
#pragma once

#include "server/reply.h"

#include <vector>

namespace trellis::server {

std::vector<Route> chat_page_routes();

}  // namespace trellis::server
