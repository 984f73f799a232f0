//! Lower case by Unicode's tables, character by character.

use crate::abi::{guard, text_view, Bytes};

/// # Safety
/// All pointers must be valid as the header says.
#[no_mangle]
pub unsafe extern "C" fn trellis_text_lowercase(
    text: *const u8,
    size: usize,
    lower: *mut Bytes,
    error: *mut Bytes,
) -> i32 {
    guard(error, || {
        let text = text_view(text, size, "the text")?;
        let mapped: String = text.chars().flat_map(char::to_lowercase).collect();
        lower.write(mapped.into());
        Ok(())
    })
}
