//! Checks of grammars for constrained output, by compiling them with llguidance for the tokenizer's
//! vocabulary.

use llguidance::api::{GrammarInit, ParserLimits, TopLevelGrammar};
use llguidance::earley::ValidationResult;
use llguidance::toktrie::TokEnv;
use toktrie_hf_tokenizers::{ByteTokenizer, ByteTokenizerEnv};

use crate::abi::{guard, text_view, Bytes, Failure};
use crate::tokenizer::TokenizerHandle;

/// A JSON schema or grammar beyond this is refused before it is parsed.
const MAX_GRAMMAR_BYTES: usize = 1 << 20;

impl TokenizerHandle {
    fn token_env(&self) -> Result<TokEnv, Failure> {
        let env = self.token_env.get_or_init(|| {
            let tokenizer = ByteTokenizer::from_tokenizer(self.tokenizer.clone());
            tokenizer
                .and_then(|tokenizer| ByteTokenizerEnv::new(tokenizer, None))
                .map(ByteTokenizerEnv::to_env)
                .map_err(|error| error.to_string())
        });
        env.clone().map_err(|error| format!("no grammar works with this tokenizer: {error}").into())
    }
}

fn check(tokenizer: &TokenizerHandle, kind: &str, grammar: &str) -> Result<(), Failure> {
    if grammar.len() > MAX_GRAMMAR_BYTES {
        let found = grammar.len();
        return Err(format!("{found} bytes are too many (limit {MAX_GRAMMAR_BYTES})").into());
    }
    let grammar =
        TopLevelGrammar::from_tagged_str(kind, grammar).map_err(|error| error.to_string())?;
    let limits = ParserLimits { verbose_errors: false, ..ParserLimits::default() };
    match GrammarInit::Serialized(grammar).validate(Some(tokenizer.token_env()?), limits) {
        ValidationResult::Error(error) => Err(error.into()),
        _ => Ok(()),
    }
}

/// # Safety
/// All pointers must be valid as the header says.
#[no_mangle]
pub unsafe extern "C" fn trellis_text_grammar_check(
    tokenizer: &TokenizerHandle,
    kind: *const u8,
    kind_size: usize,
    grammar: *const u8,
    grammar_size: usize,
    error: *mut Bytes,
) -> i32 {
    guard(error, || {
        let kind = text_view(kind, kind_size, "the kind of grammar")?;
        let grammar = text_view(grammar, grammar_size, "the grammar")?;
        check(tokenizer, kind, grammar)
    })
}
