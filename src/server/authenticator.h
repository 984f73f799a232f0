// Who is calling, by the key that came with a request.
#pragma once

#include "server/api_key.h"
#include "server/request_reader.h"
#include "server/server_options.h"

#include <optional>
#include <string>
#include <vector>

namespace trellis::server {

struct Caller {
  Access access = Access::kOpen;  // the most that this caller may call
  std::string name;               // of the key, may be empty
};

/// For one thread.
class Authenticator {
 public:
  /// is_local: only this machine can reach the server. Throws UserError where others can, but no
  /// key is asked for and options.no_auth does not say that this is meant; and as KeyFile does.
  Authenticator(const AuthOptions& options, bool is_local);

  /// Takes the key from "Authorization: Bearer" or from "x-api-key". Takes the same time for every
  /// wrong key: it is hashed, and compared with all of the others, to the last byte.
  Caller identify(const RequestHead& head);

  /// Whether requests without any key may call more than open routes.
  bool is_open() const { return without_key_ != Access::kOpen; }

 private:
  Access without_key_ = Access::kOpen;
  std::vector<ApiKey> keys_;
  std::optional<KeyFile> key_file_;
};

}  // namespace trellis::server
