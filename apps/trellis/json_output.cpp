#include "apps/trellis/json_output.h"

#include "base/error.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace trellis {

void print_json(const OrderedJson& document) {
  print_text(document.dump(2, ' ', false, OrderedJson::error_handler_t::replace) + "\n");
}

void print_text(std::string_view text) {
  const bool complete = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (!complete || std::fflush(stdout) != 0) {
    throw UserError("cannot write to stdout: {}", std::strerror(errno));
  }
}

}  // namespace trellis
