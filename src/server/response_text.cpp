#include "server/response_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

namespace trellis::server {
namespace {

const char* reason(int status) {
  struct Reason {
    int status;
    const char* text;
  };
  static constexpr Reason kReasons[] = {
      {200, "OK"},
      {201, "Created"},
      {202, "Accepted"},
      {204, "No Content"},
      {304, "Not Modified"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {413, "Content Too Large"},
      {422, "Unprocessable Content"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {503, "Service Unavailable"},
      {507, "Insufficient Storage"},
  };
  for (const Reason& entry : kReasons) {
    if (entry.status == status) return entry.text;
  }
  return "";
}

std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  return fmt::format(
      "{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[utc.tm_wday], utc.tm_mday, kMonths[utc.tm_mon],
      utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec
  );
}

/// A value cannot begin a header of its own.
void append_header(std::string& text, std::string_view name, std::string value) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; };
  std::replace_if(value.begin(), value.end(), is_control, ' ');
  text.append(name).append(": ").append(value).append("\r\n");
}

std::string response_head(int status, const ResponseFrame& frame) {
  std::string text = fmt::format("HTTP/1.1 {} {}\r\n", status, reason(status));
  append_header(text, "Server", "trellis");
  append_header(text, "Date", http_date());
  for (const auto& [name, value] : frame.headers) append_header(text, name, value);
  if (!frame.keep_alive) {
    append_header(text, "Connection", "close");
  } else if (frame.is_http_1_0) {
    append_header(text, "Connection", "keep-alive");
  }
  return text;
}

}  // namespace

std::string response_text(const Reply& reply, const ResponseFrame& frame) {
  std::string text = response_head(reply.status, frame);
  for (const auto& [name, value] : reply.headers) append_header(text, name, value);
  if (reply.status == 204 || reply.status == 304) return text + "\r\n";
  append_header(text, "Content-Type", reply.content_type);
  append_header(text, "Content-Length", std::to_string(reply.body.size()));
  text += "\r\n";
  if (!frame.omit_body) text += reply.body;
  return text;
}

std::string stream_head(const ResponseFrame& frame) {
  std::string text = response_head(200, frame);
  append_header(text, "Content-Type", "text/event-stream; charset=utf-8");
  append_header(text, "Cache-Control", "no-cache");
  append_header(text, "X-Accel-Buffering", "no");  // proxies that gather pieces would delay tokens
  if (!frame.is_http_1_0) append_header(text, "Transfer-Encoding", "chunked");
  return text + "\r\n";
}

std::string stream_part(std::string_view bytes, const ResponseFrame& frame) {
  if (frame.is_http_1_0) return std::string(bytes);
  return fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
}

std::string_view stream_end(const ResponseFrame& frame) {
  return frame.is_http_1_0 ? std::string_view() : std::string_view("0\r\n\r\n");
}

}  // namespace trellis::server
