// JSON keeps the last of two equal keys without a word; in a file that names weights that would
// hide one of them. This goes into the parser as its callback and refuses the second one.
#pragma once

#include "base/error.h"
#include "base/json.h"

#include <set>
#include <string>
#include <vector>

namespace trellis {

/// Follows one parse. Throws UserError "<origin>: <key> appears twice" when an object repeats a
/// key.
class UniqueKeys {
 public:
  explicit UniqueKeys(std::string origin) : origin_(std::move(origin)) {}

  /// Call with every event of the parser, in order.
  void see(Json::parse_event_t event, const Json& parsed) {
    using Event = Json::parse_event_t;
    if (event == Event::object_start) {
      open_.emplace_back();
    } else if (event == Event::object_end) {
      open_.pop_back();
    } else if (event == Event::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!open_.back().insert(key).second)
        throw UserError("{}: \"{}\" appears twice", origin_, key);
    }
  }

 private:
  std::string origin_;
  std::vector<std::set<std::string>> open_;
};

}  // namespace trellis
