#include "server/error_reply.h"

#include "base/json.h"

namespace trellis::server {
namespace {

const char* error_type(int status) {
  if (status == 401) return "authentication_error";
  if (status == 403) return "permission_error";
  if (status == 404) return "not_found_error";
  if (status == 429) return "rate_limit_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

nlohmann::ordered_json text_or_null(const std::string& text) {
  return text.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(text);
}

}  // namespace

std::string error_body(const ApiError& error) {
  const nlohmann::ordered_json document = {
      {"error",
       {{"message", error.message},
        {"type", error_type(error.status)},
        {"param", text_or_null(error.parameter)},
        {"code", text_or_null(error.code)}}}
  };
  return document.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

Reply error_reply(const ApiError& error) {
  Reply reply;
  reply.status = error.status;
  reply.body = error_body(error);
  return reply;
}

}  // namespace trellis::server
