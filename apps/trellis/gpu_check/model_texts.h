// Texts to ask a model about: those of the golden_fp32.json beside it, which another program made,
// or made-up ones.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace trellis {

/// Most tokens of prompt and answer together.
inline constexpr int64_t kMostTextTokens = 1024;

struct ModelText {
  std::vector<int32_t> prompt;
  std::vector<int32_t> answer;
  bool is_recorded = false;  // answer is what the model must say; else any tokens
};

/// At least one, each with prompt and answer. Throws UserError.
std::vector<ModelText> model_texts(const std::string& directory);

}  // namespace trellis
