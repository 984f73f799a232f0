#include "server/chat_page.h"

#include "base/embedded_file.h"
#include "base/error.h"

#include <string>
#include <string_view>

namespace trellis {

std::span<const EmbeddedFile> chat_page_files();

namespace server {
namespace {

constexpr std::string_view kIndex = "index.html";
// Scripts and styles come from this server alone, none stand in the markup, and no text becomes
// markup: the browser refuses innerHTML and its like. Nobody may show the page in a frame of
// theirs.
constexpr const char* kContentSecurityPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'";

const char* content_type(std::string_view name) {
  struct Type {
    std::string_view ending;
    const char* text;
  };
  static constexpr Type kTypes[] = {
      {".html", "text/html; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".svg", "image/svg+xml"},
  };
  for (const Type& type : kTypes) {
    if (name.ends_with(type.ending)) return type.text;
  }
  throw InternalError(fmt::format("no content type is known for {}", name));
}

/// Whether If-None-Match names what the client would get: one of a list, weak or not, or "*".
bool is_known(const ApiRequest& request, const std::string& etag) {
  const auto found = request.headers.find("if-none-match");
  if (found == request.headers.end()) return false;
  return found->second == "*" || found->second.find(etag) != std::string::npos;
}

Route file_route(const EmbeddedFile& file) {
  Route route;
  route.method = "GET";
  route.path = file.name == kIndex ? "/" : fmt::format("/chat-page/{}", file.name);
  route.access = Access::kOpen;
  const std::string etag = fmt::format("\"{}\"", file.sha256);
  route.handler = [file, etag, type = content_type(file.name)](const ApiRequest& request) {
    Reply reply;
    // Another build of the program has other files under the same names.
    reply.headers = {
        {"Cache-Control", "no-cache"},
        {"ETag", etag},
        {"Content-Security-Policy", kContentSecurityPolicy},
        {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
    };
    if (is_known(request, etag)) {
      reply.status = 304;
      return Outcome(std::move(reply));
    }
    reply.content_type = type;
    reply.body = file.bytes;
    return Outcome(std::move(reply));
  };
  return route;
}

}  // namespace

std::vector<Route> chat_page_routes() {
  std::vector<Route> routes;
  for (const EmbeddedFile& file : chat_page_files()) routes.push_back(file_route(file));
  return routes;
}

}  // namespace server
}  // namespace trellis
