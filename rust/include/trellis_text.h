// The C face of the Rust text stack: tokenizers, chat templates, grammars, letter case. Only
// src/text includes this. Every function may be called from any thread; all objects but matchers
// are immutable after creation. Functions that can fail return kTrellisTextOk or another status
// with a message in *error; outputs are written only on success. Every trellis_text_bytes and
// trellis_text_ids that was written must be freed with its free function, once.
#ifndef TRELLIS_TEXT_H_
#define TRELLIS_TEXT_H_

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct trellis_text_tokenizer trellis_text_tokenizer;
typedef struct trellis_text_template trellis_text_template;
typedef struct trellis_text_matcher trellis_text_matcher;

/// Bytes owned by the Rust side. Not terminated by a zero.
typedef struct {
  uint8_t* data;
  size_t size;
} trellis_text_bytes;

/// Token ids owned by the Rust side.
typedef struct {
  uint32_t* data;
  size_t size;
} trellis_text_ids;

enum {
  kTrellisTextOk = 0,
  kTrellisTextError = 1,
  kTrellisTextRaised = 2,  // a template called raise_exception; the message is its own
  kTrellisTextAbsent = 3   // no such token, or a special token that was to be skipped; no message
};

void trellis_text_bytes_free(trellis_text_bytes bytes);
void trellis_text_ids_free(trellis_text_ids ids);

/// Reads the text of a tokenizer.json and adds the tokens that only the tokenizer_config.json
/// beside it names; config_size is 0 where there is none.
int trellis_text_tokenizer_new(
    const uint8_t* json, size_t size, const uint8_t* config, size_t config_size,
    trellis_text_tokenizer** tokenizer, trellis_text_bytes* error
);
void trellis_text_tokenizer_free(trellis_text_tokenizer* tokenizer);

/// One more than the highest token id.
uint32_t trellis_text_tokenizer_vocab_size(const trellis_text_tokenizer* tokenizer);

/// text: UTF-8. add_special_tokens: 0 or 1.
int trellis_text_tokenizer_encode(
    const trellis_text_tokenizer* tokenizer, const uint8_t* text, size_t size,
    int add_special_tokens, trellis_text_ids* ids, trellis_text_bytes* error
);

/// The text of the ids taken together; ids outside the vocabulary stand for nothing.
int trellis_text_tokenizer_decode(
    const trellis_text_tokenizer* tokenizer, const uint32_t* ids, size_t num_ids,
    int skip_special_tokens, trellis_text_bytes* text, trellis_text_bytes* error
);

/// kTrellisTextAbsent if the vocabulary has no such token.
int trellis_text_tokenizer_token_to_id(
    const trellis_text_tokenizer* tokenizer, const uint8_t* token, size_t size, uint32_t* id,
    trellis_text_bytes* error
);

/// The token as the vocabulary spells it, kTrellisTextAbsent if there is none.
int trellis_text_tokenizer_id_to_token(
    const trellis_text_tokenizer* tokenizer, uint32_t id, trellis_text_bytes* token,
    trellis_text_bytes* error
);

/// How decoded text is put together from single tokens.
typedef struct {
  int by_piece;             // 1: text is the pieces of the tokens in a row; 0: only decode() knows
  uint8_t strip_character;  // this ASCII character is removed from the start of the text,
  uint32_t strip_count;     // at most that many times
} trellis_text_decoding;

trellis_text_decoding trellis_text_tokenizer_decoding(const trellis_text_tokenizer* tokenizer);

/// The bytes that a token adds to the text, not always whole UTF-8. is_first: 1 for the first token
/// that is decoded. Needs by_piece. kTrellisTextAbsent for an id outside the vocabulary and for
/// skipped special tokens.
int trellis_text_tokenizer_piece(
    const trellis_text_tokenizer* tokenizer, uint32_t id, int skip_special_tokens, int is_first,
    trellis_text_bytes* piece, trellis_text_bytes* error
);

/// Compiles a chat template.
int trellis_text_template_new(
    const uint8_t* source, size_t size, trellis_text_template** compiled, trellis_text_bytes* error
);
void trellis_text_template_free(trellis_text_template* compiled);

/// Renders with the variables of a JSON object. now: what strftime_now formats. kTrellisTextRaised
/// if the template refuses its input.
int trellis_text_template_render(
    const trellis_text_template* compiled, const uint8_t* variables_json, size_t size,
    const struct tm* now, trellis_text_bytes* text, trellis_text_bytes* error
);

/// Compiles a grammar that output is to follow, for this tokenizer. kind: "json_schema",
/// "json_object" (the text is not looked at), "regex", "choice" (a JSON list of strings) or "lark".
/// The first call for a tokenizer takes as long as loading it.
int trellis_text_matcher_new(
    const trellis_text_tokenizer* tokenizer, const uint8_t* kind, size_t kind_size,
    const uint8_t* grammar, size_t grammar_size, trellis_text_matcher** matcher,
    trellis_text_bytes* error
);

/// A matcher in the same state, which shares nothing that changes with the other.
int trellis_text_matcher_clone(
    const trellis_text_matcher* matcher, trellis_text_matcher** clone, trellis_text_bytes* error
);
void trellis_text_matcher_free(trellis_text_matcher* matcher);

/// Takes the next tokens, and those that must follow them, which it writes. is_over: 1 where
/// nothing may follow these; no token may be given then. After an error the matcher is of no use.
int trellis_text_matcher_accept(
    trellis_text_matcher* matcher, const uint32_t* tokens, size_t num_tokens,
    trellis_text_ids* forced, int* is_over, trellis_text_bytes* error
);

/// Which tokens may come next, one bit each, the lowest first. may_end: 1 where the output is
/// whole.
int trellis_text_matcher_mask(
    trellis_text_matcher* matcher, uint32_t* bits, size_t num_words, int* may_end,
    trellis_text_bytes* error
);

/// Takes back the last num_tokens tokens that it has taken, those that had to follow included.
/// After an error the matcher is of no use.
int trellis_text_matcher_roll_back(
    trellis_text_matcher* matcher, size_t num_tokens, trellis_text_bytes* error
);

/// Has the operation that another thread is in, and each later one, end soon with an error.
void trellis_text_matcher_cancel(const trellis_text_matcher* matcher);

/// Each character in lower case, whatever stands beside it. text: UTF-8.
int trellis_text_lowercase(
    const uint8_t* text, size_t size, trellis_text_bytes* lower, trellis_text_bytes* error
);

#ifdef __cplusplus
}
#endif

#endif
