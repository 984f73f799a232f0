//! Chat templates rendered as transformers renders them, by minijinja: same whitespace rules, same
//! filters, and bounds on what a template may do.

use std::fmt;
use std::io::{self, Write};
use std::sync::OnceLock;
use std::time::Duration;

use minijinja::value::ValueKind;
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value,
};
use minijinja_contrib::pycompat;

use crate::abi::{guard, text_view, Bytes, Failure};
use crate::bounded_thread::{run_bounded, Bounds, Unfinished};
use crate::generation_tag::replace_generation_tags;
use crate::python_text::{str_of, tojson};
use crate::python_value::python_value;

/// Far above any real template.
const MAX_SOURCE_BYTES: usize = 1 << 20;
/// Far above any conversation that fits a context.
const MAX_VARIABLES_BYTES: usize = 64 << 20;
const MAX_OUTPUT_BYTES: usize = 64 << 20;
/// Instructions of one rendering, a quarter of a second; a conversation of a thousand messages needs
/// a twentieth. What a single instruction may cost, `run_bounded` bounds.
const MAX_STEPS: u64 = 5_000_000;
const BOUNDS: Bounds = Bounds { bytes: 256 << 20, cpu_time: Duration::from_secs(2) };
/// Macros that call each other.
const MAX_DEPTH: usize = 100;

const NAME: &str = "chat template";

/// `trellis_text_template`.
pub struct TemplateHandle {
    environment: Environment<'static>,
    /// Why a rendering had to be stopped; none is tried again, since each would keep its memory.
    stopped: OnceLock<Unfinished>,
}

/// What `raise_exception` was called with; it travels as the source of the template's error.
#[derive(Debug)]
struct Raised(String);

impl fmt::Display for Raised {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Raised {}

fn raise_exception(message: Value) -> Result<Value, Error> {
    let raised = Raised(str_of(&message));
    Err(Error::new(ErrorKind::InvalidOperation, "raised by the template").with_source(raised))
}

fn format_value(output: &mut Output, _state: &State, value: &Value) -> Result<(), Error> {
    match value.as_str() {
        Some(text) => output.write_str(text)?,
        None => output.write_str(&str_of(value))?,
    }
    Ok(())
}

/// Methods of Python's str that minijinja_contrib does not have.
fn call_method(state: &State, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let argument = args.first().and_then(Value::as_str);
    if let (Some(text), Some(argument)) = (value.as_str(), argument) {
        let strings = |parts: &[&str]| Ok(parts.iter().copied().map(Value::from).collect());
        match method {
            "removeprefix" => return Ok(text.strip_prefix(argument).unwrap_or(text).into()),
            "removesuffix" => return Ok(text.strip_suffix(argument).unwrap_or(text).into()),
            "partition" if !argument.is_empty() => {
                return match text.split_once(argument) {
                    Some((before, after)) => strings(&[before, argument, after]),
                    None => strings(&[text, "", ""]),
                }
            }
            "rpartition" if !argument.is_empty() => {
                return match text.rsplit_once(argument) {
                    Some((before, after)) => strings(&[before, argument, after]),
                    None => strings(&["", "", text]),
                }
            }
            // minijinja_contrib would search for ever.
            "count" if argument.is_empty() => return Ok((text.chars().count() + 1).into()),
            "rsplit" if !argument.is_empty() => {
                let limit = args.get(1).map_or(Ok(-1), |limit| i64::try_from(limit.clone()))?;
                let limit =
                    usize::try_from(limit).map_or(usize::MAX, |limit| limit.saturating_add(1));
                let mut parts: Vec<&str> = text.rsplitn(limit, argument).collect();
                parts.reverse();
                return strings(&parts);
            }
            _ => {}
        }
    }
    pycompat::unknown_method_callback(state, value, method, args)
}

/// Python asks whether a value has a length and items, which strings and mappings have, too.
fn is_sequence(value: &Value) -> bool {
    matches!(
        value.kind(),
        ValueKind::Seq | ValueKind::Map | ValueKind::String | ValueKind::Undefined
    )
}

fn is_iterable(value: &Value) -> bool {
    is_sequence(value) || value.kind() == ValueKind::Iterable
}

fn is_number(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Number | ValueKind::Bool)
}

impl TemplateHandle {
    fn compile(source: &str) -> Result<Self, Failure> {
        if source.len() > MAX_SOURCE_BYTES {
            let found = source.len();
            return Err(format!("{found} bytes are too many (limit {MAX_SOURCE_BYTES})").into());
        }
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        environment.set_fuel(Some(MAX_STEPS));
        environment.set_recursion_limit(MAX_DEPTH);
        environment.set_formatter(format_value);
        environment.set_unknown_method_callback(call_method);
        minijinja_contrib::add_to_environment(&mut environment);
        environment.add_filter("tojson", tojson);
        environment.add_filter("string", |value: &Value| str_of(value));
        environment.add_function("raise_exception", raise_exception);
        environment.add_test("sequence", is_sequence);
        environment.add_test("iterable", is_iterable);
        environment.add_test("number", is_number);
        let source = replace_generation_tags(source);
        // Bounded, since constants are computed here.
        let environment = run_bounded(BOUNDS, move || {
            environment.add_template_owned(NAME, source).map_err(|error| failure(&error))?;
            Ok::<_, Failure>(environment)
        })
        .map_err(|reason| reason.to_string())??;
        Ok(Self { environment, stopped: OnceLock::new() })
    }

    fn render(&self, variables: &str, now: libc::tm) -> Result<Vec<u8>, Failure> {
        if variables.len() > MAX_VARIABLES_BYTES {
            let found = variables.len();
            return Err(format!(
                "{found} bytes of messages are too many (limit {MAX_VARIABLES_BYTES})"
            )
            .into());
        }
        if let Some(reason) = self.stopped.get() {
            return Err(reason.to_string().into());
        }
        let variables: serde_json::Value =
            serde_json::from_str(variables).map_err(|error| error.to_string())?;
        let variables = python_value(variables);
        let mut environment = self.environment.clone();
        let now = Now(now);
        environment.add_function("strftime_now", move |format: &str| now.format(format));
        let rendered = run_bounded(BOUNDS, move || {
            let mut output = BoundedOutput(Vec::new());
            environment
                .get_template(NAME)
                .and_then(|template| template.render_captured_to(variables, &mut output).map(drop))
                .map_err(|error| failure(&error))?;
            Ok(output.0)
        });
        rendered.unwrap_or_else(|reason| {
            if reason != Unfinished::NoThread {
                self.stopped.get_or_init(|| reason);
            }
            Err(reason.to_string().into())
        })
    }
}

/// Text that refuses to grow beyond the limit.
struct BoundedOutput(Vec<u8>);

impl Write for BoundedOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT_BYTES {
            return Err(io::Error::other("too much output"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn failure(error: &Error) -> Failure {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(raised) = cause.downcast_ref::<Raised>() {
            return Failure::Raised(raised.0.clone());
        }
        source = cause.source();
    }
    let line = error.line().map_or(String::new(), |line| format!(" (line {line})"));
    match error.kind() {
        ErrorKind::OutOfFuel => format!("it does not end within {MAX_STEPS} steps{line}").into(),
        ErrorKind::WriteFailure => {
            format!("its output exceeds {MAX_OUTPUT_BYTES} bytes{line}").into()
        }
        kind => match error.detail() {
            Some(detail) => format!("{kind}: {detail}{line}").into(),
            None => format!("{kind}{line}").into(),
        },
    }
}

/// The time that `strftime_now` formats.
struct Now(libc::tm);

// SAFETY: the one pointer in a tm names the time zone; it is only read, by a thread that the caller
// of render waits for.
unsafe impl Send for Now {}
unsafe impl Sync for Now {}

impl Now {
    fn format(&self, format: &str) -> Result<String, Error> {
        let invalid = || Error::new(ErrorKind::InvalidOperation, "strftime_now: unusable format");
        if format.is_empty() {
            return Ok(String::new());
        }
        let format = std::ffi::CString::new(format).map_err(|_| invalid())?;
        let mut buffer = vec![0u8; 1024];
        let target = buffer.as_mut_ptr().cast();
        // SAFETY: the buffer is as long as it is said to be, the format ends with a zero, the tm is
        // whole.
        let size = unsafe { libc::strftime(target, buffer.len(), format.as_ptr(), &self.0) };
        if size == 0 {
            return Err(invalid());
        }
        buffer.truncate(size);
        String::from_utf8(buffer).map_err(|_| invalid())
    }
}

/// # Safety
/// All pointers must be valid as the header says; so for every function of this file.
#[no_mangle]
pub unsafe extern "C" fn trellis_text_template_new(
    source: *const u8,
    size: usize,
    compiled: *mut *mut TemplateHandle,
    error: *mut Bytes,
) -> i32 {
    guard(error, || {
        let handle = TemplateHandle::compile(text_view(source, size, "the source")?)?;
        compiled.write(Box::into_raw(Box::new(handle)));
        Ok(())
    })
}

/// # Safety
/// `compiled` must come from `trellis_text_template_new` and not have been freed, or be null.
#[no_mangle]
pub unsafe extern "C" fn trellis_text_template_free(compiled: *mut TemplateHandle) {
    if !compiled.is_null() {
        drop(Box::from_raw(compiled));
    }
}

/// # Safety
/// See `trellis_text_template_new`.
#[no_mangle]
pub unsafe extern "C" fn trellis_text_template_render(
    compiled: &TemplateHandle,
    variables: *const u8,
    size: usize,
    now: &libc::tm,
    text: *mut Bytes,
    error: *mut Bytes,
) -> i32 {
    guard(error, || {
        let variables = text_view(variables, size, "the variables")?;
        text.write(compiled.render(variables, *now)?.into());
        Ok(())
    })
}
