//! What one token adds to the decoded text. The decoders of tokenizer.json are written for whole
//! sequences; those that treat each token by itself are taken apart here, so that text can be
//! streamed in O(1) per token and exactly.

use std::collections::HashMap;

use tokenizers::decoders::strip::Strip;
use tokenizers::decoders::DecoderWrapper;
use tokenizers::normalizers::replace::Replace;
use tokenizers::pre_tokenizers::metaspace::Metaspace;
use tokenizers::Decoder;

enum Step {
    Replace(Replace),
    Metaspace(Metaspace),
    StripEach(Strip),
    ByteFallback,
    ByteLevel(HashMap<char, u8>),
}

/// The decoder as steps for one token, then what happens at the start of the joined text.
pub struct PiecePlan {
    steps: Vec<Step>,
    pub strip_character: u8,
    pub strip_count: u32,
}

impl PiecePlan {
    /// None if the decoder looks at neighbouring tokens.
    pub fn new(decoder: Option<&DecoderWrapper>) -> Option<Self> {
        let mut plan = Self { steps: Vec::new(), strip_character: 0, strip_count: 0 };
        let mut fused = false;
        for part in flatten(decoder?) {
            match part {
                DecoderWrapper::Fuse(_) => fused = true,
                DecoderWrapper::Strip(strip) if !fused => {
                    plan.steps.push(Step::StripEach(strip.clone()))
                }
                DecoderWrapper::Strip(strip) => plan.strip_at_start(strip)?,
                _ if fused || plan.yields_bytes() => return None,
                DecoderWrapper::Replace(replace) => plan.steps.push(Step::Replace(replace.clone())),
                DecoderWrapper::Metaspace(metaspace) => {
                    plan.steps.push(Step::Metaspace(metaspace.clone()))
                }
                DecoderWrapper::ByteFallback(_) => plan.steps.push(Step::ByteFallback),
                DecoderWrapper::ByteLevel(_) => {
                    plan.steps.push(Step::ByteLevel(byte_level_characters()))
                }
                _ => return None,
            }
        }
        Some(plan)
    }

    fn strip_at_start(&mut self, strip: &Strip) -> Option<()> {
        if strip.stop != 0 || !strip.content.is_ascii() || self.strip_count != 0 {
            return None;
        }
        self.strip_character = strip.content as u8;
        self.strip_count = u32::try_from(strip.start).ok()?;
        Some(())
    }

    /// After these steps tokens are bytes, not text, and further steps on text would see broken
    /// characters.
    fn yields_bytes(&self) -> bool {
        matches!(self.steps.last(), Some(Step::ByteFallback | Step::ByteLevel(_)))
    }

    /// `first`: no token before this one was decoded.
    pub fn piece(&self, token: String, first: bool) -> tokenizers::Result<Vec<u8>> {
        let mut token = token;
        for step in &self.steps {
            token = match step {
                Step::Replace(replace) => decode_one(replace, token)?,
                Step::StripEach(strip) => decode_one(strip, token)?,
                Step::Metaspace(metaspace) if first => decode_one(metaspace, token)?,
                Step::Metaspace(metaspace) => {
                    metaspace.decode_chain(vec![String::new(), token])?.pop().unwrap_or_default()
                }
                Step::ByteFallback => match fallback_byte(&token) {
                    Some(byte) => return Ok(vec![byte]),
                    None => token,
                },
                Step::ByteLevel(bytes) => {
                    let mapped: Option<Vec<u8>> =
                        token.chars().map(|c| bytes.get(&c).copied()).collect();
                    return Ok(mapped.unwrap_or_else(|| token.into_bytes()));
                }
            };
        }
        Ok(token.into_bytes())
    }
}

fn flatten(decoder: &DecoderWrapper) -> Vec<&DecoderWrapper> {
    match decoder {
        DecoderWrapper::Sequence(sequence) => {
            sequence.get_decoders().iter().flat_map(flatten).collect()
        }
        single => vec![single],
    }
}

fn decode_one(decoder: &impl Decoder, token: String) -> tokenizers::Result<String> {
    Ok(decoder.decode_chain(vec![token])?.pop().unwrap_or_default())
}

/// The byte of a token such as `<0x0A>`.
fn fallback_byte(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    if digits.len() != 2 {
        return None;
    }
    u8::from_str_radix(digits, 16).ok()
}

/// The characters that stand for bytes in byte-level vocabularies: printable Latin-1 for itself,
/// the other bytes in order from U+0100 (Radford et al. 2019, GPT-2's `bytes_to_unicode`).
fn byte_level_characters() -> HashMap<char, u8> {
    let mut next = 0x100;
    (0..=255u8)
        .map(|byte| match byte {
            b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF => (char::from(byte), byte),
            _ => {
                next += 1;
                (char::from_u32(next - 1).expect("U+0100 to U+0143 are characters"), byte)
            }
        })
        .collect()
}
