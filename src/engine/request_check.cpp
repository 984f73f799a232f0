#include "engine/request_check.h"

#include "base/error.h"
#include "sampling/validate.h"
#include "text/lowercase.h"

#include <string>
#include <utility>

namespace trellis {
namespace {

ApiError bad_request(std::string parameter, std::string message) {
  return {400, "invalid_request", std::move(message), std::move(parameter)};
}

std::optional<ApiError> check_prompt(const Request& request, const ModelInfo& info) {
  const auto prompt = static_cast<int64_t>(request.prompt_ids.size());
  if (prompt == 0) {
    return bad_request("prompt", "the prompt has no tokens, and the model no token to begin with");
  }
  const bool alone = is_prompt_only(request);
  if (prompt + (alone ? 0 : 1) > info.context_tokens) {
    return ApiError{
        400, "context_length_exceeded",
        fmt::format(
            "the prompt has {} tokens; {}it must fit the context of {} tokens: shorten it or load "
            "the model with a larger context",
            prompt, alone ? "" : "with at least one token of answer ", info.context_tokens
        ),
        "prompt"
    };
  }
  for (const int32_t id : request.prompt_ids) {
    if (id < 0 || id >= info.vocab_size) {
      return bad_request(
          "prompt",
          fmt::format("token id {} is outside the vocabulary of {} tokens", id, info.vocab_size)
      );
    }
  }
  return std::nullopt;
}

std::optional<ApiError> check_banned_strings(const std::vector<std::string>& strings) {
  if (strings.size() > kMostBannedStrings) {
    return bad_request(
        "banned_strings", fmt::format(
                              "banned_strings has {} strings; at most {} are allowed",
                              strings.size(), kMostBannedStrings
                          )
    );
  }
  for (const std::string& text : strings) {
    if (text.size() > kMostBannedBytes) {
      return bad_request(
          "banned_strings", fmt::format(
                                "a string of banned_strings has {} bytes; at most {} are allowed",
                                text.size(), kMostBannedBytes
                            )
      );
    }
    try {
      lowercase(text);
    } catch (const UserError& error) {
      return bad_request("banned_strings", error.what());
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<ApiError> check_request(const Request& request, const ModelInfo& info) {
  if (auto error = check_prompt(request, info)) return error;
  if (request.max_tokens && *request.max_tokens < 0) {
    return bad_request(
        "max_tokens",
        fmt::format(
            "max_tokens must be at least 1, or 0 for no answer, found {}", *request.max_tokens
        )
    );
  }
  if (request.pooling && request.prompt_logprobs >= 0) {
    return bad_request(
        "prompt_logprobs",
        "an embedding has no prompt_logprobs; ask for them in a request of their own"
    );
  }
  if (request.reasoning &&
      (request.reasoning->close.empty() || request.reasoning->max_tokens < 0)) {
    return bad_request(
        "reasoning", "a budget of reasoning needs a closing tag and 0 tokens or more"
    );
  }
  if (auto error = check_banned_strings(request.banned_strings)) return error;
  return validate(request.sampling, info.vocab_size);
}

}  // namespace trellis
