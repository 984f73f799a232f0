#include "text/lowercase.h"

#include "base/error.h"
#include "text/rust_results.h"

namespace trellis {

std::string lowercase(std::string_view text) {
  RustBytes result;
  RustBytes error;
  if (trellis_text_lowercase(rust_data(text), text.size(), result.out(), error.out()) !=
      kTrellisTextOk) {
    throw UserError("{}", error.to_string());
  }
  return result.to_string();
}

}  // namespace trellis
