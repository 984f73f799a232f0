// One conversation: its messages, what of them the model still sees, and the prompt for the next
// answer. Knows neither the terminal nor the engine.
#pragma once

#include "text/chat_template.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace trellis {

class ChatSession {
 public:
  /// Turns messages [{"role", "content"}, ...] into the token ids of a prompt, the template
  /// applied.
  using Encode = std::function<std::vector<int32_t>(const OrderedJson& messages)>;

  /// context_tokens: prompt and answer together.
  ChatSession(Encode encode, int64_t context_tokens);

  /// Sets the system message; an empty one removes it.
  void set_system(std::string text) { system_ = std::move(text); }
  void add_user(std::string text);
  void add_answer(std::string text);
  /// Takes back the last message.
  void remove_last();
  /// Takes back the last answer, so that prompt() asks for another. False if there is none.
  bool retry();
  /// Forgets all messages but the system's.
  void clear();

  struct Prompt {
    std::vector<int32_t> ids;
    int num_dropped = 0;  // messages that left the model's sight since the last prompt
  };
  /// The prompt for the next answer, whose last message is the user's. Where the conversation has
  /// outgrown the context, the oldest turns are left out from then on, so that a quarter of the
  /// context, at most 512 tokens, stays free for the answer. Throws UserError if the last message
  /// alone is too long, or as the template does.
  Prompt prompt();

  /// The whole conversation, also what the model no longer sees.
  OrderedJson messages() const { return messages_from(0); }
  /// Tokens that the last prompt had.
  int64_t prompt_tokens() const { return prompt_tokens_; }
  int64_t context_tokens() const { return context_tokens_; }
  bool empty() const { return messages_.empty(); }

 private:
  struct Message {
    const char* role;
    std::string content;
  };

  OrderedJson messages_from(size_t first) const;
  /// Index of the user message after `first`, if there is one.
  std::optional<size_t> next_turn(size_t first) const;

  Encode encode_;
  int64_t context_tokens_;
  std::string system_;
  std::vector<Message> messages_;
  size_t first_seen_ = 0;  // messages before it are left out of prompts
  int64_t prompt_tokens_ = 0;
};

}  // namespace trellis
