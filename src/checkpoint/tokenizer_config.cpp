#include "checkpoint/tokenizer_config.h"

#include "base/error.h"
#include "base/mapped_file.h"

namespace trellis {
namespace {

constexpr size_t kMaxTemplateBytes = 4u << 20;

/// A token is a string, or an object whose content is one.
std::optional<std::string> read_token(const JsonObject& root, const char* key) {
  const Json* value = root.find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  const auto token = root.optional_object(key);
  auto content = token->optional_string("content");
  if (!content) throw UserError("{} is missing", token->where("content"));
  return content;
}

std::optional<std::string> read_template(const JsonObject& root) {
  constexpr const char* kKey = "chat_template";
  const Json* value = root.find(kKey);
  if (value == nullptr || !value->is_array()) return root.optional_string(kKey);
  for (size_t i = 0; i < value->size(); ++i) {
    const JsonObject named((*value)[i], root.origin(), fmt::format("{}[{}]", kKey, i));
    const auto name = named.optional_string("name");
    if (!name) throw UserError("{} is missing", named.where("name"));
    auto source = named.optional_string("template");
    if (!source) throw UserError("{} is missing", named.where("template"));
    if (*name == "default") return source;
  }
  return std::nullopt;
}

std::string read_template_file(const std::filesystem::path& path) {
  const MappedFile file(path);
  if (file.bytes().size() > kMaxTemplateBytes) {
    throw UserError(
        "{}: {} bytes are too large for a chat template (limit {})", path.string(),
        file.bytes().size(), kMaxTemplateBytes
    );
  }
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TokenizerConfig read_if_present(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return {};
  return parse_tokenizer_config(read_json_file(path), path.string());
}

void fill(std::optional<std::string>& value, const std::optional<std::string>& fallback) {
  if (!value) value = fallback;
}

}  // namespace

TokenizerConfig parse_tokenizer_config(const Json& document, const std::string& origin) {
  const JsonObject root(document, origin);
  TokenizerConfig config;
  config.bos_token = read_token(root, "bos_token");
  config.eos_token = read_token(root, "eos_token");
  config.unk_token = read_token(root, "unk_token");
  config.pad_token = read_token(root, "pad_token");
  config.add_bos_token = root.optional_bool("add_bos_token");
  config.chat_template = read_template(root);
  return config;
}

TokenizerConfig read_tokenizer_config(const std::filesystem::path& directory) {
  TokenizerConfig config = read_if_present(directory / "tokenizer_config.json");

  const TokenizerConfig map = read_if_present(directory / "special_tokens_map.json");
  fill(config.bos_token, map.bos_token);
  fill(config.eos_token, map.eos_token);
  fill(config.unk_token, map.unk_token);
  fill(config.pad_token, map.pad_token);

  const std::filesystem::path jinja = directory / "chat_template.jinja";
  if (std::filesystem::exists(jinja)) {
    config.chat_template = read_template_file(jinja);
  } else if (!config.chat_template) {
    config.chat_template = read_if_present(directory / "chat_template.json").chat_template;
  }
  return config;
}

}  // namespace trellis
