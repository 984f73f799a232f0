// What an engine knows of a model's text: its tokens, its chat template, and where answers end.
#pragma once

#include "checkpoint/generation_config.h"
#include "checkpoint/model_config.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "trellis/engine.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

namespace trellis {

struct LoadedText {
  GenerationConfig generation;
  std::vector<int32_t> stop_ids;  // of the model, each once
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<ChatTemplate> chat_template;  // null: the model has none
};

/// Reads the files of a model directory. UserError names the file that is at fault.
LoadedText load_text(const std::filesystem::path& directory, const ModelConfig& config);

/// The tokens at which an answer to the request ends.
std::vector<int32_t> stop_ids_of(const Request& request, const LoadedText& text);

}  // namespace trellis
