// The text that a model expects for a conversation: its chat template, rendered as transformers
// renders it.
#pragma once

#include "base/json.h"

#include <ctime>
#include <memory>
#include <optional>
#include <string>

struct trellis_text_template;

namespace trellis {

/// A compiled chat template. Immutable; render() may be called from any thread.
class ChatTemplate {
 public:
  /// source: the template's text. special_tokens: an object with bos_token, eos_token and others,
  /// null ones left out. fixed_time: what strftime_now formats; the local time of each rendering if
  /// absent. Throws UserError naming the line if the template does not compile.
  explicit ChatTemplate(
      std::string source, OrderedJson special_tokens = OrderedJson::object(),
      std::optional<std::tm> fixed_time = std::nullopt
  );
  ~ChatTemplate();
  ChatTemplate(const ChatTemplate&) = delete;
  ChatTemplate& operator=(const ChatTemplate&) = delete;

  /// messages: an array of objects with role and content. tools: an array or null.
  /// extra_variables: an object, e.g. {"enable_thinking": false}; its members win over special
  /// tokens. Throws UserError: with the template's own message where it calls raise_exception, and
  /// saying what is wrong where it fails, does not end within 5 million steps or 2 s of computing,
  /// holds more than 256 MiB or prints more than 64 MiB. A template that had to be stopped for
  /// memory or time keeps what it held, and fails from then on. Tuples print as lists; in all else
  /// the text is the one that transformers renders.
  std::string render(
      const OrderedJson& messages, const OrderedJson& tools, bool add_generation_prompt,
      const OrderedJson& extra_variables = OrderedJson::object()
  ) const;

  const std::string& source() const { return source_; }

 private:
  std::string source_;
  OrderedJson special_tokens_;
  std::optional<std::tm> fixed_time_;
  trellis_text_template* handle_ = nullptr;
};

}  // namespace trellis
