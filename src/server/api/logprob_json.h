// Log probabilities in the two shapes of OpenAI's API.
#pragma once

#include "base/json.h"
#include "text/tokenizer.h"
#include "trellis/engine.h"

#include <span>

namespace trellis::server {

/// The bytes that a token stands for, special ones spelled out: not always whole UTF-8.
std::string token_bytes(const Tokenizer& tokenizer, int32_t id);

/// {"content": [{"token", "logprob", "bytes", "top_logprobs"}], "refusal": null}
OrderedJson chat_logprobs(const Tokenizer& tokenizer, std::span<const TokenLogprob> logprobs);

/// {"tokens", "token_logprobs", "top_logprobs", "text_offset"}. text_offset: of the first token, in
/// characters; moved behind the last one.
OrderedJson completion_logprobs(
    const Tokenizer& tokenizer, std::span<const TokenLogprob> logprobs, int64_t& text_offset
);

/// vLLM's list: null for the first token, then objects by token id with its logprob and its text.
OrderedJson prompt_logprobs_json(
    const Tokenizer& tokenizer, std::span<const TokenLogprob> logprobs
);

/// The tokens of a prompt that is echoed, before those of the answer in completion_logprobs()'s
/// shape: the first has no logprob. `echo`: its text. Tokens that are no part of it have the place
/// at which they stand. first_token: of the prompt; logprobs: of those behind it.
OrderedJson echo_logprobs(
    const Tokenizer& tokenizer, int32_t first_token, std::span<const TokenLogprob> logprobs,
    const std::string& echo
);

}  // namespace trellis::server
