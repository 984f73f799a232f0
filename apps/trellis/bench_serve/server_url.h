// The address of a server, as a user writes it.
#pragma once

#include <string>

namespace trellis {

struct ServerUrl {
  std::string host;  // a name or an address, without brackets
  std::string port = "80";
  std::string prefix;  // of all paths: empty, or "/a/b"

  /// What goes into the Host header.
  std::string authority() const;
};

/// "http://HOST[:PORT][/PREFIX]". Throws UserError.
ServerUrl parse_server_url(const std::string& text);

}  // namespace trellis
