#include "text/tokenizer.h"

#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "text/rust_results.h"

namespace trellis {

namespace {

std::string_view json_text(const MappedFile& file, const std::filesystem::path& path) {
  const std::span<const uint8_t> bytes = file.bytes();
  if (bytes.size() > kMaxJsonBytes) {
    throw UserError(
        "{}: {} bytes are too large for a {} (limit {})", path.string(), bytes.size(),
        path.filename().string(), kMaxJsonBytes
    );
  }
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

std::unique_ptr<Tokenizer> Tokenizer::from_file(const std::filesystem::path& tokenizer_json) {
  const MappedFile file(tokenizer_json);
  const std::filesystem::path config = tokenizer_json.parent_path() / "tokenizer_config.json";
  std::optional<MappedFile> config_file;
  if (std::filesystem::exists(config)) config_file.emplace(config);
  return from_json(
      json_text(file, tokenizer_json), tokenizer_json.string(),
      config_file ? json_text(*config_file, config) : std::string_view()
  );
}

std::unique_ptr<Tokenizer> Tokenizer::from_json(
    std::string_view json, const std::string& origin, std::string_view config
) {
  trellis_text_tokenizer* handle = nullptr;
  RustBytes error;
  const int status = trellis_text_tokenizer_new(
      rust_data(json), json.size(), rust_data(config), config.size(), &handle, error.out()
  );
  if (status != kTrellisTextOk) {
    throw UserError(
        "{}: not a usable tokenizer.json: {}. Fetch the file again from the model's source", origin,
        error.to_string()
    );
  }
  return std::unique_ptr<Tokenizer>(new Tokenizer(handle));
}

Tokenizer::~Tokenizer() {
  trellis_text_tokenizer_free(handle_);
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, bool add_special_tokens) const {
  RustIds ids;
  RustBytes error;
  const int status = trellis_text_tokenizer_encode(
      handle_, rust_data(text), text.size(), add_special_tokens ? 1 : 0, ids.out(), error.out()
  );
  if (status != kTrellisTextOk) {
    throw UserError("the text cannot be tokenized: {}", error.to_string());
  }
  return {ids.begin(), ids.end()};
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special_tokens) const {
  RustBytes text;
  RustBytes error;
  const int status = trellis_text_tokenizer_decode(
      handle_, reinterpret_cast<const uint32_t*>(ids.data()), ids.size(),
      skip_special_tokens ? 1 : 0, text.out(), error.out()
  );
  if (status != kTrellisTextOk) {
    throw UserError("the tokens cannot be decoded: {}", error.to_string());
  }
  return text.to_string();
}

std::optional<int32_t> Tokenizer::token_to_id(std::string_view token) const {
  uint32_t id = 0;
  RustBytes error;
  const int status =
      trellis_text_tokenizer_token_to_id(handle_, rust_data(token), token.size(), &id, error.out());
  if (status != kTrellisTextOk) return std::nullopt;
  return static_cast<int32_t>(id);
}

std::string Tokenizer::id_to_token(int32_t id) const {
  RustBytes token;
  RustBytes error;
  trellis_text_tokenizer_id_to_token(handle_, static_cast<uint32_t>(id), token.out(), error.out());
  return token.to_string();
}

int64_t Tokenizer::vocab_size() const {
  return trellis_text_tokenizer_vocab_size(handle_);
}

PieceDecoding Tokenizer::piece_decoding() const {
  const trellis_text_decoding decoding = trellis_text_tokenizer_decoding(handle_);
  return {
      decoding.by_piece != 0, static_cast<char>(decoding.strip_character), decoding.strip_count
  };
}

std::optional<std::string> Tokenizer::piece(int32_t id, bool skip_special_tokens, bool is_first)
    const {
  RustBytes piece;
  RustBytes error;
  const int status = trellis_text_tokenizer_piece(
      handle_, static_cast<uint32_t>(id), skip_special_tokens ? 1 : 0, is_first ? 1 : 0,
      piece.out(), error.out()
  );
  if (status == kTrellisTextAbsent) return std::nullopt;
  if (status != kTrellisTextOk) {
    throw UserError("token {} cannot be decoded: {}", id, error.to_string());
  }
  return piece.to_string();
}

}  // namespace trellis
