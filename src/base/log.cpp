#include "base/log.h"

#include "base/error.h"

#include <spdlog/sinks/stdout_color_sinks.h>

namespace trellis {

void configure_log(std::string_view level) {
  const auto parsed = spdlog::level::from_str(std::string(level));
  if (parsed == spdlog::level::off && level != "off") {
    throw UserError("log level \"{}\" is unknown; use error, warn, info, debug or off", level);
  }
  auto logger = std::make_shared<spdlog::logger>(
      "trellis", std::make_shared<spdlog::sinks::stderr_color_sink_mt>()
  );
  logger->set_pattern("%H:%M:%S %^%l%$ %v");
  logger->set_level(parsed);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace trellis
