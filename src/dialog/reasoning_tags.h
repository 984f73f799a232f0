// Between which tags a model thinks aloud, recognised from its chat template.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace trellis {

struct ReasoningTags {
  std::string open;
  std::string close;
};

/// The pair whose closing tag the template's text has; the opening one may come from the model.
std::optional<ReasoningTags> find_reasoning_tags(std::string_view template_source);

/// Whether a rendered prompt ends inside of reasoning: the answer then begins with thoughts.
bool ends_in_reasoning(std::string_view prompt, const ReasoningTags& tags);

}  // namespace trellis
