// Decides from the head of a request, before its body is read, whether it is answered, and by
// which route. So nobody without a key makes the server keep a body.
#pragma once

#include "server/authenticator.h"
#include "server/cors.h"
#include "server/router.h"

#include <optional>
#include <string>
#include <vector>

namespace trellis::server {

struct Verdict {
  std::optional<Reply> reply;  // the answer already: a refusal, or that to OPTIONS
  const Route* route = nullptr;
  Caller caller;
};

class Admission {
 public:
  /// is_local: only this machine can reach the server. has_host_names: it is reached by TCP.
  /// Throws UserError as Authenticator and Cors do.
  Admission(
      const ServerOptions& options, bool is_local, bool has_host_names, std::vector<Route> routes
  );

  Verdict judge(const RequestHead& head);

  const Cors& cors() const { return cors_; }

 private:
  std::optional<Reply> refuse_page(const RequestHead& head) const;

  Router router_;
  Authenticator authenticator_;
  Cors cors_;
  bool checks_host_;
  std::string own_host_;
};

}  // namespace trellis::server
