// Upper and lower case of any script.
#pragma once

#include <string>
#include <string_view>

namespace trellis {

/// The text with each character in lower case, as Unicode has it, whatever stands beside it; some
/// become several characters. text: UTF-8, else UserError.
std::string lowercase(std::string_view text);

}  // namespace trellis
