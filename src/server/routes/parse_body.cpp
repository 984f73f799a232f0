#include "server/routes/endpoints.h"

namespace trellis::server {

Result<RequestBody> parse_body(const ApiRequest& request) {
  try {
    return RequestBody{parse_json(request.body, "the request body"), request.body};
  } catch (const UserError& error) {
    return ApiError{400, "invalid_json", error.what(), ""};
  }
}

}  // namespace trellis::server
