// The grammar of an answer that may think, call tools and must have a form, made of what each part
// must look like: llguidance's Lark.
#pragma once

#include "dialog/answer_parser.h"
#include "dialog/tool.h"
#include "text/tokenizer.h"
#include "trellis/grammar.h"

#include <optional>
#include <vector>

namespace trellis {

/// What an answer of this shape must look like: thoughts are free, calls are those of the toolbox
/// with arguments that satisfy their schemas, and other text is as `text` says. Calls that must
/// come are all there is; those that may come are held to their form from the trigger on. Nothing
/// where nothing is demanded. shape.tools must be there if the toolbox is in use.
std::optional<Grammar> answer_grammar(
    const AnswerShape& shape, const Toolbox& toolbox, const std::optional<Grammar>& text,
    const Tokenizer& tokenizer
);

/// The ids of the tags that are tokens of their own: special ones must be spelled out in the text.
std::vector<int32_t> tag_tokens(const AnswerShape& shape, const Tokenizer& tokenizer);

}  // namespace trellis
