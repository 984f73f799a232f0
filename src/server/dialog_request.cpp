#include "server/dialog_request.h"

#include "dialog/answer_grammar.h"
#include "dialog/tool_prompt.h"
#include "server/prompt.h"
#include "text/chat_template.h"

namespace trellis::server {
namespace {

/// The shape that the model's template tells.
AnswerShape shape_for(const Engine& engine, const Toolbox& toolbox) {
  AnswerShape shape;
  const ChatTemplate* const chat_template = engine.chat_template();
  if (chat_template == nullptr) return shape;
  shape.reasoning = find_reasoning_tags(chat_template->source());
  if (toolbox.in_use()) shape.tools = find_tool_format(chat_template->source());
  return shape;
}

/// Adds to the request what holds its answer to the shape.
void hold_to_shape(
    const AnswerShape& shape, const Toolbox& toolbox, const ReasoningFields& reasoning,
    const Tokenizer& tokenizer, GenerationFields& generation
) {
  Request& request = generation.request;
  if (!request.grammar) generation.grammar_field = "tools";
  request.grammar = answer_grammar(shape, toolbox, request.grammar, tokenizer);
  request.spelled_tokens = tag_tokens(shape, tokenizer);
  if (shape.reasoning && reasoning.max_tokens) {
    request.reasoning = {
        shape.reasoning->open, shape.reasoning->close, shape.begins_in_reasoning,
        *reasoning.max_tokens
    };
  }
}

}  // namespace

Result<std::string> render_dialog(
    const Engine& engine, ChatPrompt prompt, const Toolbox& toolbox,
    const ReasoningFields& reasoning
) {
  apply(reasoning, prompt);
  const ChatTemplate* const chat_template = engine.chat_template();
  if (chat_template != nullptr) {
    const ToolFormat& format = find_tool_format(chat_template->source());
    if (!format.template_knows) {
      prompt.messages = with_tools_as_text(prompt.messages, toolbox, format);
    } else if (toolbox.in_use()) {
      prompt.tools = tools_json(toolbox);
    }
  }
  return render_prompt(engine, prompt);
}

Result<DialogRequest> make_dialog_request(
    const Engine& engine, const ChatPrompt& prompt, const Toolbox& toolbox,
    const ReasoningFields& reasoning, const GenerationFields& generation
) {
  const Result<std::string> text = render_dialog(engine, prompt, toolbox, reasoning);
  if (!text.ok()) return text.error();
  Result<std::vector<int32_t>> ids = prompt_ids(engine, text.value());
  if (!ids.ok()) return ids.error();
  DialogRequest result{std::move(ids).value(), generation, shape_for(engine, toolbox)};
  result.shape.begins_in_reasoning = result.shape.reasoning && !prompt.continue_final_message &&
                                     ends_in_reasoning(text.value(), *result.shape.reasoning);
  hold_to_shape(result.shape, toolbox, reasoning, engine.tokenizer(), result.generation);
  return result;
}

}  // namespace trellis::server
