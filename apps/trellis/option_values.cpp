#include "apps/trellis/option_values.h"

#include "backend/kv_type.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

namespace trellis {
namespace {

template <typename Number>
std::optional<Number> parse_number(const std::string& text) {
  Number number{};
  const char* const end = text.data() + text.size();
  const auto [next, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || next != end) return std::nullopt;
  return number;
}

/// "1.5GiB" as bytes.
std::optional<int64_t> parse_bytes(const std::string& text) {
  constexpr std::pair<const char*, int> kUnits[] = {
      {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}, {"", 0}
  };
  for (const auto& [unit, shift] : kUnits) {
    if (!text.ends_with(unit)) continue;
    const auto number = parse_number<double>(text.substr(0, text.size() - std::strlen(unit)));
    const double bytes = number ? std::ldexp(*number, shift) : -1;
    if (!(bytes >= 0 && bytes < 0x1p62)) return std::nullopt;
    return static_cast<int64_t>(bytes);
  }
  return std::nullopt;
}

/// is_valid(text) or the refusal "expected <what>, found "text"".
template <typename IsValid>
CLI::Option* expect(
    CLI::Option* option, const std::string& type_name, const std::string& what, IsValid is_valid
) {
  const auto check = [what, is_valid](const std::string& text) {
    return is_valid(text) ? std::string() : fmt::format("expected {}, found \"{}\"", what, text);
  };
  // Without a description the check adds nothing to the type's name in --help.
  return option->type_name(type_name)->check(CLI::Validator(check, std::string()));
}

}  // namespace

CLI::Option* whole_number(CLI::Option* option, int64_t least, int64_t most) {
  const std::string range = most == kNoMost ? fmt::format("of at least {}", least)
                                            : fmt::format("from {} to {}", least, most);
  return expect(option, "N", "a whole number " + range, [least, most](const std::string& text) {
    const auto number = parse_number<int64_t>(text);
    return number && *number >= least && *number <= most;
  });
}

CLI::Option* seed_number(CLI::Option* option) {
  return expect(option, "N", "a whole number from 0 to 2^64 - 1", [](const std::string& text) {
    return parse_number<uint64_t>(text).has_value();
  });
}

CLI::Option* any_number(CLI::Option* option) {
  return expect(option, "X", "a number", [](const std::string& text) {
    return parse_number<float>(text).has_value();
  });
}

CLI::Option* number_between(CLI::Option* option, double least, double most) {
  const std::string range = fmt::format("a number from {} to {}", least, most);
  return expect(option, "X", range, [least, most](const std::string& text) {
    const auto number = parse_number<double>(text);
    return number && *number >= least && *number <= most;
  });
}

CLI::Option* byte_size(CLI::Option* option) {
  const auto to_bytes = [](std::string& text) {
    const auto bytes = parse_bytes(text);
    if (!bytes) return fmt::format("expected a size such as 512MiB or 4GiB, found \"{}\"", text);
    text = std::to_string(*bytes);
    return std::string();
  };
  return option->type_name("SIZE")->transform(CLI::Validator(to_bytes, std::string()));
}

CLI::Option* kv_types(CLI::Option* option) {
  return expect(option, "TYPE", kKnownKvTypes, [](const std::string& text) {
    return parse_kv_types(text).has_value();
  });
}

CLI::Option* one_of(CLI::Option* option, const std::vector<std::string>& names) {
  const std::string known = fmt::format("one of {}", fmt::join(names, ", "));
  return expect(
      option, fmt::format("{}", fmt::join(names, "|")), known,
      [names](const std::string& text) {
        return std::find(names.begin(), names.end(), text) != names.end();
      }
  );
}

}  // namespace trellis
