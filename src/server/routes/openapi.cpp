// GET /openapi.json
#include "server/openapi.h"

#include "server/routes/endpoints.h"

namespace trellis::server {

Result<Outcome> openapi(const ServerContext& context, const ApiRequest&) {
  Reply reply;
  reply.body = openapi_document(context).dump();
  return Outcome(std::move(reply));
}

}  // namespace trellis::server
