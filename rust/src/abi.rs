//! What every entry point shares: owned byte buffers, statuses, and the guard that turns errors and
//! panics into messages.

use std::any::Any;
use std::panic::{catch_unwind, set_hook, AssertUnwindSafe};
use std::sync::Once;
use std::{ptr, slice};

/// `trellis_text_bytes`.
#[repr(C)]
pub struct Bytes {
    data: *mut u8,
    size: usize,
}

/// `trellis_text_ids`.
#[repr(C)]
pub struct Ids {
    data: *mut u32,
    size: usize,
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        let bytes = Box::leak(bytes.into_boxed_slice());
        Self { data: bytes.as_mut_ptr(), size: bytes.len() }
    }
}

impl From<String> for Bytes {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl From<Vec<u32>> for Ids {
    fn from(ids: Vec<u32>) -> Self {
        let ids = Box::leak(ids.into_boxed_slice());
        Self { data: ids.as_mut_ptr(), size: ids.len() }
    }
}

/// Why an entry point did not deliver; the numbers are those of the header.
pub enum Failure {
    Error(String),
    Raised(String),
    Absent,
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Failure::Error(message)
    }
}

impl From<&str> for Failure {
    fn from(message: &str) -> Self {
        Failure::Error(message.to_string())
    }
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| text.to_string())
        .or_else(|| payload.downcast_ref::<String>().cloned());
    format!("the text library gave up: {}", text.unwrap_or_else(|| "no reason given".to_string()))
}

/// Runs an entry point and returns its status; a message goes to `error`.
///
/// # Safety
/// `error` must be valid for a write.
pub unsafe fn guard(error: *mut Bytes, body: impl FnOnce() -> Result<(), Failure>) -> i32 {
    static QUIET: Once = Once::new();
    // A panic becomes the caller's error; nothing is printed about it.
    QUIET.call_once(|| set_hook(Box::new(|_| {})));
    let result = catch_unwind(AssertUnwindSafe(body))
        .unwrap_or_else(|payload| Err(Failure::Error(panic_message(&*payload))));
    let (status, message) = match result {
        Ok(()) => return 0,
        Err(Failure::Absent) => return 3,
        Err(Failure::Error(message)) => (1, message),
        Err(Failure::Raised(message)) => (2, message),
    };
    error.write(message.into());
    status
}

/// A borrowed array of the caller; null is allowed for an empty one.
///
/// # Safety
/// `data` must point to `size` elements that stay unchanged while the slice lives.
pub unsafe fn view<'a, T>(data: *const T, size: usize) -> &'a [T] {
    if size == 0 {
        &[]
    } else {
        slice::from_raw_parts(data, size)
    }
}

/// A borrowed text of the caller.
///
/// # Safety
/// As for `view`.
pub unsafe fn text_view<'a>(data: *const u8, size: usize, what: &str) -> Result<&'a str, Failure> {
    std::str::from_utf8(view(data, size)).map_err(|error| {
        format!("{what} is not valid UTF-8 at byte {}", error.valid_up_to()).into()
    })
}

/// # Safety
/// `bytes` must come from this library and not have been freed.
#[no_mangle]
pub unsafe extern "C" fn trellis_text_bytes_free(bytes: Bytes) {
    drop(Box::from_raw(ptr::slice_from_raw_parts_mut(bytes.data, bytes.size)));
}

/// # Safety
/// `ids` must come from this library and not have been freed.
#[no_mangle]
pub unsafe extern "C" fn trellis_text_ids_free(ids: Ids) {
    drop(Box::from_raw(ptr::slice_from_raw_parts_mut(ids.data, ids.size)));
}
