#include "dialog/reasoning_tags.h"

namespace trellis {
namespace {

struct Pair {
  std::string_view open;
  std::string_view close;
};

constexpr Pair kPairs[] = {
    {"<think>", "</think>"},
    {"<thinking>", "</thinking>"},
    {"<thought>", "</thought>"},
    {"<reasoning>", "</reasoning>"},
    {"[THINK]", "[/THINK]"},
    {"<seed:think>", "</seed:think>"},
    {"<|START_THINKING|>", "<|END_THINKING|>"},
};

}  // namespace

std::optional<ReasoningTags> find_reasoning_tags(std::string_view template_source) {
  for (const Pair& pair : kPairs) {
    if (template_source.find(pair.close) != std::string_view::npos) {
      return ReasoningTags{std::string(pair.open), std::string(pair.close)};
    }
  }
  return std::nullopt;
}

bool ends_in_reasoning(std::string_view prompt, const ReasoningTags& tags) {
  const size_t last = prompt.find_last_not_of(" \t\r\n");
  return last != std::string_view::npos && prompt.substr(0, last + 1).ends_with(tags.open);
}

}  // namespace trellis
