#include "server/api/request_body.h"

#include <charconv>
#include <optional>

namespace trellis::server {
namespace {

/// Goes over JSON that is known to be valid, value by value.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  /// The next character that is no white space; 0 at the end.
  char peek() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  /// Goes over one of the characters between values.
  void skip_mark() {
    peek();
    if (at_ < text_.size()) ++at_;
  }

  /// The text of the next value.
  std::string_view value() {
    peek();
    const size_t begin = at_;
    int depth = 0;
    do {
      skip_token(depth);
    } while (depth > 0 && at_ < text_.size());
    return text_.substr(begin, at_ - begin);
  }

 private:
  void skip_token(int& depth) {
    const char c = peek();
    if (c == '"') return skip_string();
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (std::string_view("{}[],:").find(c) != std::string_view::npos) {
      ++at_;
      return;
    }
    at_ = std::min(text_.find_first_of("{}[],:\" \t\r\n", at_), text_.size());
  }

  void skip_string() {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\') ++at_;
    }
    at_ = std::min(at_ + 1, text_.size());
  }

  std::string_view text_;
  size_t at_ = 0;
};

std::string_view member(std::string_view object, std::string_view name) {
  std::string_view found;
  Scanner scanner(object);
  if (scanner.peek() != '{') return found;
  scanner.skip_mark();
  while (scanner.peek() == '"') {
    const std::string_view key = scanner.value();
    scanner.skip_mark();  // :
    const std::string_view value = scanner.value();
    const bool is_escaped = key.find('\\') != std::string_view::npos;
    const bool matches = is_escaped ? Json::parse(key).get_ref<const std::string&>() == name
                                    : key.substr(1, key.size() - 2) == name;
    if (matches) found = value;
    scanner.skip_mark();  // , or }
  }
  return found;
}

std::string_view element(std::string_view array, size_t index) {
  Scanner scanner(array);
  if (scanner.peek() != '[') return {};
  scanner.skip_mark();
  for (size_t i = 0; scanner.peek() != ']' && scanner.peek() != '\0'; ++i) {
    const std::string_view value = scanner.value();
    if (i == index) return value;
    if (scanner.peek() == ',') scanner.skip_mark();
  }
  return {};
}

}  // namespace

std::string_view text_at(std::string_view document, std::string_view path) {
  std::string_view value = document;
  while (!path.empty() && !value.empty()) {
    if (path.front() == '[') {
      size_t index = 0;
      std::from_chars(path.data() + 1, path.data() + path.size(), index);
      value = element(value, index);
      path.remove_prefix(path.find(']') + 1);
    } else {
      if (path.front() == '.') path.remove_prefix(1);
      const size_t end = std::min(path.find_first_of(".["), path.size());
      value = member(value, path.substr(0, end));
      path.remove_prefix(end);
    }
  }
  return value;
}

}  // namespace trellis::server
