#include "apps/trellis/gpu_check/model_texts.h"

#include "base/error.h"
#include "base/json.h"
#include "checkpoint/model_config.h"

#include <filesystem>

namespace trellis {
namespace {

ModelText made_up_text(int64_t vocab) {
  constexpr int64_t kStride = 7919;
  ModelText text;
  for (int64_t i = 1; i <= 64; ++i) {
    (i <= 32 ? text.prompt : text.answer).push_back(static_cast<int32_t>(i * kStride % vocab));
  }
  return text;
}

}  // namespace

std::vector<ModelText> model_texts(const std::string& directory) {
  const std::filesystem::path path = std::filesystem::path(directory) / "golden_fp32.json";
  if (!std::filesystem::exists(path)) {
    return {made_up_text(read_model_config(directory).vocab_size)};
  }
  const Json document = read_json_file(path);
  std::vector<ModelText> texts;
  try {
    for (const Json& golden : document.is_object() ? document.at("prompts") : document) {
      ModelText& text = texts.emplace_back();
      text.prompt = golden.at("prompt_ids").get<std::vector<int32_t>>();
      text.answer = golden.at("greedy_ids").get<std::vector<int32_t>>();
      text.is_recorded = true;
      const size_t tokens = text.prompt.size() + text.answer.size();
      if (text.prompt.empty() || text.answer.empty() || tokens > kMostTextTokens) {
        throw UserError(
            "{}: prompts and answers of at most {} tokens", path.string(), kMostTextTokens
        );
      }
    }
  } catch (const Json::exception& error) {
    throw UserError("{}: {}", path.string(), error.what());
  }
  if (texts.empty()) throw UserError("{}: holds no prompt", path.string());
  return texts;
}

}  // namespace trellis
