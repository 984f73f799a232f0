//! The tokenizer entry points: thin calls into the `tokenizers` crate.

use std::sync::{Arc, OnceLock};

use serde_json::Value;
use tokenizers::{AddedToken, Tokenizer};

use crate::abi::{guard, text_view, view, Bytes, Failure, Ids};
use crate::grammar::{grammar_compiler, GrammarCompiler};
use crate::pieces::PiecePlan;

/// Far above any real vocabulary; what is sized by the vocabulary stays bounded.
const MAX_TOKEN_ID: u32 = (1 << 24) - 1;
/// Far above any context of any model.
const MAX_TEXT_BYTES: usize = 64 << 20;

/// `trellis_text_tokenizer`.
pub struct TokenizerHandle {
    tokenizer: Tokenizer,
    vocab_size: u32,
    plan: Option<PiecePlan>,
    /// Made when the first grammar asks for it.
    compiler: OnceLock<Result<Arc<GrammarCompiler>, String>>,
}

/// `trellis_text_decoding`.
#[repr(C)]
pub struct Decoding {
    by_piece: i32,
    strip_character: u8,
    strip_count: u32,
}

impl TokenizerHandle {
    /// config: the text of the `tokenizer_config.json` beside it, or nothing.
    fn from_json(json: &[u8], config: &[u8]) -> Result<Self, Failure> {
        let mut tokenizer = Tokenizer::from_bytes(json).map_err(|error| error.to_string())?;
        if !config.is_empty() {
            let config = serde_json::from_slice(config)
                .map_err(|error| format!("the tokenizer_config.json beside it: {error}"))?;
            add_missing_tokens(&mut tokenizer, &config);
        }
        tokenizer.with_truncation(None).map_err(|error| error.to_string())?;
        tokenizer.with_padding(None);
        let highest = tokenizer.get_vocab(true).values().copied().max();
        let highest = highest.ok_or("the vocabulary is empty")?;
        if highest > MAX_TOKEN_ID {
            return Err(format!("token id {highest} is too large (limit {MAX_TOKEN_ID})").into());
        }
        let plan = PiecePlan::new(tokenizer.get_decoder());
        Ok(Self { tokenizer, vocab_size: highest + 1, plan, compiler: OnceLock::new() })
    }

    pub fn grammar_compiler(&self) -> Result<Arc<GrammarCompiler>, Failure> {
        let compiler = self.compiler.get_or_init(|| {
            grammar_compiler(&self.tokenizer, self.vocab_size, self.plan.as_ref()).map(Arc::new)
        });
        compiler
            .clone()
            .map_err(|error| format!("no grammar works with this tokenizer: {error}").into())
    }

    fn piece(&self, id: u32, skip_special: bool, first: bool) -> Result<Vec<u8>, Failure> {
        let plan = self.plan.as_ref().ok_or("this decoder does not work by pieces")?;
        let token = self.tokenizer.id_to_token(id).ok_or(Failure::Absent)?;
        if skip_special && self.tokenizer.get_added_vocabulary().is_special_token(&token) {
            return Err(Failure::Absent);
        }
        plan.piece(token, first).map_err(|error| error.to_string().into())
    }
}

/// Adds the tokens that only the configuration names, in the order of their ids, as transformers
/// does: after the others, or at the id where the vocabulary spells them already.
fn add_missing_tokens(tokenizer: &mut Tokenizer, config: &Value) {
    let Some(listed) = config.get("added_tokens_decoder").and_then(Value::as_object) else {
        return;
    };
    let known = tokenizer.get_added_vocabulary().get_vocab().clone();
    let mut missing: Vec<(u32, AddedToken)> = Vec::new();
    for (id, entry) in listed {
        let content = entry.get("content").and_then(Value::as_str).unwrap_or("");
        let Ok(id) = id.parse() else { continue };
        if content.is_empty() || known.contains_key(content) {
            continue;
        }
        let flag = |name: &str| entry.get(name).and_then(Value::as_bool);
        let special = flag("special").unwrap_or(false);
        let token = AddedToken::from(content, special)
            .single_word(flag("single_word").unwrap_or(false))
            .lstrip(flag("lstrip").unwrap_or(false))
            .rstrip(flag("rstrip").unwrap_or(false))
            .normalized(flag("normalized").unwrap_or(!special));
        missing.push((id, token));
    }
    missing.sort_by_key(|(id, _)| *id);
    for (_, token) in missing {
        tokenizer.add_tokens(&[token]);
    }
}

/// # Safety
/// All pointers must be valid as the header says; so for every function of this file.
#[no_mangle]
pub unsafe extern "C" fn trellis_text_tokenizer_new(
    json: *const u8,
    size: usize,
    config: *const u8,
    config_size: usize,
    tokenizer: *mut *mut TokenizerHandle,
    error: *mut Bytes,
) -> i32 {
    guard(error, || {
        let handle = TokenizerHandle::from_json(view(json, size), view(config, config_size))?;
        tokenizer.write(Box::into_raw(Box::new(handle)));
        Ok(())
    })
}

/// # Safety
/// `tokenizer` must come from `trellis_text_tokenizer_new` and not have been freed, or be null.
#[no_mangle]
pub unsafe extern "C" fn trellis_text_tokenizer_free(tokenizer: *mut TokenizerHandle) {
    if !tokenizer.is_null() {
        drop(Box::from_raw(tokenizer));
    }
}

/// # Safety
/// See `trellis_text_tokenizer_new`.
#[no_mangle]
pub unsafe extern "C" fn trellis_text_tokenizer_vocab_size(tokenizer: &TokenizerHandle) -> u32 {
    tokenizer.vocab_size
}

/// # Safety
/// See `trellis_text_tokenizer_new`.
#[no_mangle]
pub unsafe extern "C" fn trellis_text_tokenizer_encode(
    tokenizer: &TokenizerHandle,
    text: *const u8,
    size: usize,
    add_special_tokens: i32,
    ids: *mut Ids,
    error: *mut Bytes,
) -> i32 {
    guard(error, || {
        if size > MAX_TEXT_BYTES {
            return Err(
                format!("{size} bytes of text are too many (limit {MAX_TEXT_BYTES})").into()
            );
        }
        let text = text_view(text, size, "the text")?;
        let encoding = tokenizer
            .tokenizer
            .encode_fast(text, add_special_tokens != 0)
            .map_err(|error| error.to_string())?;
        ids.write(encoding.get_ids().to_vec().into());
        Ok(())
    })
}

/// # Safety
/// See `trellis_text_tokenizer_new`.
#[no_mangle]
pub unsafe extern "C" fn trellis_text_tokenizer_decode(
    tokenizer: &TokenizerHandle,
    ids: *const u32,
    num_ids: usize,
    skip_special_tokens: i32,
    text: *mut Bytes,
    error: *mut Bytes,
) -> i32 {
    guard(error, || {
        let decoded = tokenizer
            .tokenizer
            .decode(view(ids, num_ids), skip_special_tokens != 0)
            .map_err(|error| error.to_string())?;
        text.write(decoded.into());
        Ok(())
    })
}

/// # Safety
/// See `trellis_text_tokenizer_new`.
#[no_mangle]
pub unsafe extern "C" fn trellis_text_tokenizer_token_to_id(
    tokenizer: &TokenizerHandle,
    token: *const u8,
    size: usize,
    id: *mut u32,
    error: *mut Bytes,
) -> i32 {
    guard(error, || {
        let token = text_view(token, size, "the token")?;
        id.write(tokenizer.tokenizer.token_to_id(token).ok_or(Failure::Absent)?);
        Ok(())
    })
}

/// # Safety
/// See `trellis_text_tokenizer_new`.
#[no_mangle]
pub unsafe extern "C" fn trellis_text_tokenizer_id_to_token(
    tokenizer: &TokenizerHandle,
    id: u32,
    token: *mut Bytes,
    error: *mut Bytes,
) -> i32 {
    guard(error, || {
        token.write(tokenizer.tokenizer.id_to_token(id).ok_or(Failure::Absent)?.into());
        Ok(())
    })
}

/// # Safety
/// See `trellis_text_tokenizer_new`.
#[no_mangle]
pub unsafe extern "C" fn trellis_text_tokenizer_decoding(tokenizer: &TokenizerHandle) -> Decoding {
    match &tokenizer.plan {
        None => Decoding { by_piece: 0, strip_character: 0, strip_count: 0 },
        Some(plan) => Decoding {
            by_piece: 1,
            strip_character: plan.strip_character,
            strip_count: plan.strip_count,
        },
    }
}

/// # Safety
/// See `trellis_text_tokenizer_new`.
#[no_mangle]
pub unsafe extern "C" fn trellis_text_tokenizer_piece(
    tokenizer: &TokenizerHandle,
    id: u32,
    skip_special_tokens: i32,
    is_first: i32,
    piece: *mut Bytes,
    error: *mut Bytes,
) -> i32 {
    guard(error, || {
        piece.write(tokenizer.piece(id, skip_special_tokens != 0, is_first != 0)?.into());
        Ok(())
    })
}
