//! Output that follows a grammar: which tokens may come next, by llguidance.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use llguidance::api::{ParserLimits, TopLevelGrammar};
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::{InferenceCapabilities, TokRxInfo, TokTrie};
use llguidance::{CancellationHandle, JsonCompileOptions, Matcher, ParserFactory};
use serde_json::{json, Value};
use toktrie_hf_tokenizers::{ByteTokenizer, ByteTokenizerEnv};

use crate::abi::{guard, text_view, view, Bytes, Failure, Ids};
use crate::bounded_thread::{run_bounded, Bounds, Unfinished};
use crate::pieces::PiecePlan;
use crate::tokenizer::TokenizerHandle;

/// A JSON schema or grammar beyond this is refused before it is parsed.
const MAX_GRAMMAR_BYTES: usize = 1 << 20;
/// Of one compilation. The limits of llguidance end what is too large long before, or so it should
/// be.
const BOUNDS: Bounds = Bounds { bytes: 128 << 20, cpu_time: Duration::from_secs(2) };
/// Compilations that had to be stopped; each keeps its memory.
const MAX_STOPPED: usize = 8;
const MAX_MESSAGE_CHARACTERS: usize = 300;
/// The token that stands for the end in llguidance; no model has it.
const END: &[u8] = b"\xff<|end of grammar|>";

/// About a fifth of a second to compile, a twentieth to find a mask, and 50 MB for the states of
/// one answer's lexer.
fn limits() -> ParserLimits {
    ParserLimits {
        max_grammar_size: 200_000,
        max_lexer_states: 25_000,
        verbose_errors: false,
        ..ParserLimits::default()
    }
}

/// What compiles the grammars of one tokenizer.
pub struct GrammarCompiler {
    factory: ParserFactory,
    num_stopped: AtomicUsize,
}

/// `trellis_text_matcher`.
pub struct MatcherHandle {
    matcher: Mutex<Matcher>,
    /// What ends an operation from another thread.
    cancellation: Option<CancellationHandle>,
}

/// The vocabulary as the bytes that tokens add to the text, and one more token for the end.
pub fn grammar_compiler(
    tokenizer: &tokenizers::Tokenizer,
    vocab_size: u32,
    plan: Option<&PiecePlan>,
) -> Result<GrammarCompiler, String> {
    let plan = plan.ok_or("its decoder does not work token by token")?;
    let encoder = ByteTokenizer::from_tokenizer(tokenizer.clone()).map_err(message)?;
    let is_special = special_tokens(tokenizer);
    let mut words = Vec::with_capacity(vocab_size as usize + 1);
    for id in 0..vocab_size {
        words.push(match tokenizer.id_to_token(id) {
            None => Vec::new(),
            Some(token) if is_special.contains(&id) => {
                [&[TokTrie::SPECIAL_TOKEN_MARKER], token.as_bytes()].concat()
            }
            Some(token) => plan.piece(token, false).map_err(message)?,
        });
    }
    words.push(END.to_vec());
    let info = TokRxInfo::new(vocab_size + 1, vocab_size);
    let env = ByteTokenizerEnv { tokenizer: encoder, tok_trie: TokTrie::from(&info, &words) };
    let capabilities = InferenceCapabilities { ff_tokens: true, ..Default::default() };
    let slices = SlicedBiasComputer::general_slices();
    let mut factory = ParserFactory::new(&env.to_env(), capabilities, &slices).map_err(message)?;
    factory.quiet();
    *factory.limits_mut() = limits();
    Ok(GrammarCompiler { factory, num_stopped: AtomicUsize::new(0) })
}

/// Tokens that are no text: only a Lark grammar that names them lets them come.
fn special_tokens(tokenizer: &tokenizers::Tokenizer) -> HashSet<u32> {
    let added = tokenizer.get_added_tokens_decoder().into_iter();
    added
        .filter(|(_, token)| {
            let content = &token.content;
            token.special || (content.starts_with('<') && content.ends_with('>'))
        })
        .map(|(id, _)| id)
        .collect()
}

fn parse(kind: &str, text: &str) -> Result<TopLevelGrammar, String> {
    match kind {
        "json_schema" => {
            let schema = serde_json::from_str(text).map_err(message)?;
            json_grammar(schema)
        }
        "json_object" => json_grammar(json!({"type": "object"})),
        "regex" => Ok(TopLevelGrammar::from_regex(text)),
        "choice" => {
            let choices: Vec<String> = serde_json::from_str(text).map_err(message)?;
            if choices.is_empty() || choices.iter().any(String::is_empty) {
                return Err("there must be at least one choice, and none that is empty".to_string());
            }
            let choices: Vec<String> = choices.iter().map(|choice| escaped(choice)).collect();
            Ok(TopLevelGrammar::from_regex(&format!("(?:{})", choices.join("|"))))
        }
        "lark" => Ok(TopLevelGrammar::from_lark(text.to_string())),
        _ => Err("no such kind of grammar".to_string()),
    }
}

/// White space of a model's own choice could go on for ever: JSON has one form here, unless the
/// schema says otherwise in "x-guidance".
fn json_grammar(mut schema: Value) -> Result<TopLevelGrammar, String> {
    if schema == Value::Bool(true) {
        schema = json!({});
    }
    let members = schema.as_object().ok_or("a JSON schema is an object or true")?;
    if !members.contains_key("x-guidance") {
        let options = JsonCompileOptions {
            item_separator: ", ".to_string(),
            key_separator: ": ".to_string(),
            whitespace_flexible: false,
            ..Default::default()
        };
        options.apply_to(&mut schema);
    }
    Ok(TopLevelGrammar::from_json_schema(schema))
}

/// The pattern that matches this text alone.
fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        // "\<" and "\>" would be the ends of a word.
        if c.is_ascii_punctuation() && c != '<' && c != '>' {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

/// An error in one line, and no more of it than helps a client: what llguidance says of its own
/// state comes last, between tags.
fn message(error: impl fmt::Display) -> String {
    let text = error.to_string();
    let lines = text.lines().map(str::trim).take_while(|line| !line.starts_with('<'));
    let line = lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_MESSAGE_CHARACTERS) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

impl GrammarCompiler {
    fn compile(self: &Arc<Self>, kind: &str, text: &str) -> Result<MatcherHandle, Failure> {
        if text.len() > MAX_GRAMMAR_BYTES {
            let found = text.len();
            return Err(format!("{found} bytes are too many (limit {MAX_GRAMMAR_BYTES})").into());
        }
        if self.num_stopped.load(Ordering::Relaxed) >= MAX_STOPPED {
            return Err(format!(
                "no grammar is compiled any more, since {MAX_STOPPED} had to be stopped; restart"
            )
            .into());
        }
        let (compiler, kind, text) = (self.clone(), kind.to_string(), text.to_string());
        let compiled = run_bounded(BOUNDS, move || {
            let parser = compiler.factory.create_parser(parse(&kind, &text)?);
            let parser = parser.map_err(message)?;
            Ok::<_, String>(Matcher::new(Ok(parser)).into_cancellable())
        });
        match compiled {
            Ok(matcher) => Ok(MatcherHandle::new(matcher?)),
            Err(unfinished) => {
                if unfinished != Unfinished::NoThread {
                    self.num_stopped.fetch_add(1, Ordering::Relaxed);
                }
                Err(unfinished.to_string().into())
            }
        }
    }
}

impl MatcherHandle {
    fn new(matcher: Matcher) -> Self {
        let cancellation = matcher.cancellation_handle();
        Self { matcher: Mutex::new(matcher), cancellation }
    }

    fn lock(&self) -> MutexGuard<'_, Matcher> {
        self.matcher.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tokens that must follow `tokens`, and whether nothing may follow them.
    fn accept(&self, tokens: &[u32]) -> Result<(Vec<u32>, bool), Failure> {
        let mut matcher = self.lock();
        matcher.consume_tokens(tokens).map_err(message)?;
        let forced = if matcher.is_stopped() { Vec::new() } else { matcher.consume_ff_tokens() };
        match matcher.get_error() {
            Some(error) => Err(message(error).into()),
            None => Ok((forced, matcher.is_stopped())),
        }
    }

    fn roll_back(&self, num_tokens: usize) -> Result<(), Failure> {
        Ok(self.lock().rollback(num_tokens).map_err(message)?)
    }

    /// Sets the bits of the tokens that may come, and says whether the output may end.
    fn mask(&self, bits: &mut [u32]) -> Result<bool, Failure> {
        let mut matcher = self.lock();
        bits.fill(0);
        if matcher.is_stopped() && !matcher.is_error() {
            return Ok(true);
        }
        let mask = matcher.compute_mask().map_err(message)?;
        let may_end = matcher.is_accepting().map_err(message)?;
        let words = mask.as_slice();
        let count = words.len().min(bits.len());
        bits[..count].copy_from_slice(&words[..count]);
        Ok(may_end)
    }
}

/// # Safety
/// All pointers must be valid as the header says; so for every function of this file.
#[no_mangle]
pub unsafe extern "C" fn trellis_text_matcher_new(
    tokenizer: &TokenizerHandle,
    kind: *const u8,
    kind_size: usize,
    grammar: *const u8,
    grammar_size: usize,
    matcher: *mut *mut MatcherHandle,
    error: *mut Bytes,
) -> i32 {
    guard(error, || {
        let kind = text_view(kind, kind_size, "the kind of grammar")?;
        let grammar = text_view(grammar, grammar_size, "the grammar")?;
        let handle = tokenizer.grammar_compiler()?.compile(kind, grammar)?;
        matcher.write(Box::into_raw(Box::new(handle)));
        Ok(())
    })
}

/// # Safety
/// See `trellis_text_matcher_new`.
#[no_mangle]
pub unsafe extern "C" fn trellis_text_matcher_clone(
    matcher: &MatcherHandle,
    clone: *mut *mut MatcherHandle,
    error: *mut Bytes,
) -> i32 {
    guard(error, || {
        let handle = MatcherHandle::new(matcher.lock().deep_clone());
        clone.write(Box::into_raw(Box::new(handle)));
        Ok(())
    })
}

/// # Safety
/// `matcher` must come from `trellis_text_matcher_new` or `_clone` and not have been freed, or be
/// null.
#[no_mangle]
pub unsafe extern "C" fn trellis_text_matcher_free(matcher: *mut MatcherHandle) {
    if !matcher.is_null() {
        drop(Box::from_raw(matcher));
    }
}

/// # Safety
/// See `trellis_text_matcher_new`.
#[no_mangle]
pub unsafe extern "C" fn trellis_text_matcher_accept(
    matcher: &MatcherHandle,
    tokens: *const u32,
    num_tokens: usize,
    forced: *mut Ids,
    is_over: *mut i32,
    error: *mut Bytes,
) -> i32 {
    guard(error, || {
        let (ids, over) = matcher.accept(view(tokens, num_tokens))?;
        forced.write(ids.into());
        is_over.write(over.into());
        Ok(())
    })
}

/// # Safety
/// See `trellis_text_matcher_new`. `bits` must be valid for `num_words` writes.
#[no_mangle]
pub unsafe extern "C" fn trellis_text_matcher_mask(
    matcher: &MatcherHandle,
    bits: *mut u32,
    num_words: usize,
    may_end: *mut i32,
    error: *mut Bytes,
) -> i32 {
    guard(error, || {
        may_end.write(matcher.mask(std::slice::from_raw_parts_mut(bits, num_words))?.into());
        Ok(())
    })
}

/// # Safety
/// See `trellis_text_matcher_new`.
#[no_mangle]
pub unsafe extern "C" fn trellis_text_matcher_roll_back(
    matcher: &MatcherHandle,
    num_tokens: usize,
    error: *mut Bytes,
) -> i32 {
    guard(error, || matcher.roll_back(num_tokens))
}

/// # Safety
/// See `trellis_text_matcher_new`.
#[no_mangle]
pub unsafe extern "C" fn trellis_text_matcher_cancel(matcher: &MatcherHandle) {
    if let Some(cancellation) = &matcher.cancellation {
        cancellation.cancel();
    }
}
