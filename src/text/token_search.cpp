#include "text/token_search.h"

#include <array>

namespace trellis {

std::set<int32_t> tokens_containing(
    const Tokenizer& tokenizer, std::span<const std::string> texts
) {
  std::set<int32_t> ids;
  std::vector<bool> found(texts.size());
  const auto num_ids = static_cast<int32_t>(tokenizer.vocab_size());
  for (int32_t id = 0; id < num_ids; ++id) {
    const std::string token = tokenizer.decode(std::array<int32_t, 1>{id}, true);
    for (size_t i = 0; i < texts.size(); ++i) {
      if (texts[i].empty() || token.find(texts[i]) == std::string::npos) continue;
      ids.insert(id);
      found[i] = true;
    }
  }
  for (size_t i = 0; i < texts.size(); ++i) {
    if (found[i]) continue;
    const std::vector<int32_t> encoded = tokenizer.encode(texts[i], false);
    if (!encoded.empty()) ids.insert(encoded.back());
  }
  return ids;
}

}  // namespace trellis
