//! How Python spells values: `str()`, `repr()` and `json.dumps`, as templates written for Jinja2
//! expect.

use minijinja::value::{from_args, Kwargs, Rest, ValueKind};
use minijinja::{Error, ErrorKind, Value};

/// `str(value)`.
pub fn str_of(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_string(),
        None if value.is_undefined() => String::new(),
        None => {
            let mut output = String::new();
            write_repr(value, &mut output);
            output
        }
    }
}

/// `repr(float)`: the shortest digits, with an exponent below 1e-4 and from 1e16 on.
fn float_repr(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_string();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_string();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if number != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let plain = format!("{number}");
    if plain.contains('.') {
        plain
    } else {
        plain + ".0"
    }
}

fn float_of(value: &Value) -> Option<f64> {
    if value.kind() == ValueKind::Number && !value.is_integer() {
        f64::try_from(value.clone()).ok()
    } else {
        None
    }
}

fn write_repr(value: &Value, output: &mut String) {
    if let Some(text) = value.as_str() {
        return write_string_repr(text, output);
    }
    if let Some(number) = float_of(value) {
        return output.push_str(&float_repr(number));
    }
    match value.kind() {
        ValueKind::Undefined => output.push_str("Undefined"),
        ValueKind::Seq => {
            output.push('[');
            for (index, item) in value.try_iter().into_iter().flatten().enumerate() {
                output.push_str(if index == 0 { "" } else { ", " });
                write_repr(&item, output);
            }
            output.push(']');
        }
        ValueKind::Map => {
            output.push('{');
            for (index, key) in value.try_iter().into_iter().flatten().enumerate() {
                output.push_str(if index == 0 { "" } else { ", " });
                write_repr(&key, output);
                output.push_str(": ");
                write_repr(&value.get_item(&key).unwrap_or_default(), output);
            }
            output.push('}');
        }
        _ => output.push_str(&value.to_string()),
    }
}

fn write_string_repr(text: &str, output: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    output.push(quote);
    for c in text.chars() {
        match c {
            '\\' => output.push_str("\\\\"),
            '\n' => output.push_str("\\n"),
            '\r' => output.push_str("\\r"),
            '\t' => output.push_str("\\t"),
            c if c == quote => output.extend(['\\', c]),
            c if (c as u32) < 0xA0 && c.is_control() => {
                output.push_str(&format!("\\x{:02x}", c as u32))
            }
            c => output.push(c),
        }
    }
    output.push(quote);
}

/// The arguments of `json.dumps` that transformers lets a template choose.
struct JsonStyle {
    ensure_ascii: bool,
    indent: Option<String>,
    item_separator: String,
    key_separator: String,
    sort_keys: bool,
}

/// The `tojson` filter of chat templates: `json.dumps` without escapes for HTML. Its arguments, by
/// position or name: ensure_ascii, indent, separators, sort_keys.
pub fn tojson(value: &Value, arguments: Rest<Value>) -> Result<Value, Error> {
    let style = JsonStyle::from_arguments(&arguments)?;
    let mut output = String::new();
    style.write(value, 0, &mut output)?;
    Ok(Value::from(output))
}

impl JsonStyle {
    fn from_arguments(arguments: &[Value]) -> Result<Self, Error> {
        let (positional, named): (&[Value], Kwargs) = from_args(arguments)?;
        let argument = |index: usize, name: &str| -> Result<Option<Value>, Error> {
            let value = match positional.get(index) {
                Some(value) => Some(value.clone()),
                None => named.get(name)?,
            };
            Ok(value.filter(|value| !value.is_none() && !value.is_undefined()))
        };
        let ensure_ascii = argument(0, "ensure_ascii")?.is_some_and(|flag| flag.is_true());
        let indent = match argument(1, "indent")? {
            Some(indent) => Some(match indent.as_str() {
                Some(indent) => indent.to_string(),
                None => " ".repeat(i64::try_from(indent)?.clamp(0, 64) as usize),
            }),
            None => None,
        };
        let separators = match argument(2, "separators")? {
            Some(pair) => pair.try_iter()?.map(|separator| str_of(&separator)).collect(),
            None => vec![if indent.is_some() { "," } else { ", " }.to_string(), ": ".to_string()],
        };
        let [item_separator, key_separator] = <[String; 2]>::try_from(separators)
            .map_err(|_| Error::new(ErrorKind::InvalidOperation, "tojson needs two separators"))?;
        let sort_keys = argument(3, "sort_keys")?.is_some_and(|flag| flag.is_true());
        named.assert_all_used()?;
        Ok(Self { ensure_ascii, indent, item_separator, key_separator, sort_keys })
    }

    fn write(&self, value: &Value, depth: usize, output: &mut String) -> Result<(), Error> {
        if let Some(text) = value.as_str() {
            self.write_string(text, output);
            return Ok(());
        }
        if let Some(number) = float_of(value) {
            output.push_str(&float_repr(number).replace("nan", "NaN").replace("inf", "Infinity"));
            return Ok(());
        }
        match value.kind() {
            ValueKind::None => output.push_str("null"),
            ValueKind::Bool => output.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => output.push_str(&value.to_string()),
            ValueKind::Seq | ValueKind::Iterable => {
                let items: Vec<Value> = value.try_iter()?.collect();
                self.write_items('[', items, ']', depth, output, |item, output| {
                    self.write(&item, depth + 1, output)
                })?;
            }
            ValueKind::Map => {
                let mut keys: Vec<Value> = value.try_iter()?.collect();
                if self.sort_keys {
                    keys.sort();
                }
                self.write_items('{', keys, '}', depth, output, |key, output| {
                    match key.kind() {
                        ValueKind::String => self.write_string(key.as_str().unwrap_or(""), output),
                        _ => {
                            output.push('"');
                            self.write(&key, depth + 1, output)?;
                            output.push('"');
                        }
                    }
                    output.push_str(&self.key_separator);
                    self.write(&value.get_item(&key)?, depth + 1, output)
                })?;
            }
            kind => {
                let kind = if kind == ValueKind::Undefined {
                    "Undefined".to_string()
                } else {
                    kind.to_string()
                };
                let message = format!("Object of type {kind} is not JSON serializable");
                return Err(Error::new(ErrorKind::InvalidOperation, message));
            }
        }
        Ok(())
    }

    fn write_items(
        &self,
        open: char,
        items: Vec<Value>,
        close: char,
        depth: usize,
        output: &mut String,
        write: impl Fn(Value, &mut String) -> Result<(), Error>,
    ) -> Result<(), Error> {
        output.push(open);
        let is_empty = items.is_empty();
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                output.push_str(&self.item_separator);
            }
            self.break_line(depth + 1, output);
            write(item, output)?;
        }
        if !is_empty {
            self.break_line(depth, output);
        }
        output.push(close);
        Ok(())
    }

    fn break_line(&self, depth: usize, output: &mut String) {
        if let Some(indent) = &self.indent {
            output.push('\n');
            output.push_str(&indent.repeat(depth));
        }
    }

    fn write_string(&self, text: &str, output: &mut String) {
        output.push('"');
        for c in text.chars() {
            match c {
                '"' => output.push_str("\\\""),
                '\\' => output.push_str("\\\\"),
                '\n' => output.push_str("\\n"),
                '\r' => output.push_str("\\r"),
                '\t' => output.push_str("\\t"),
                '\u{8}' => output.push_str("\\b"),
                '\u{c}' => output.push_str("\\f"),
                c if c < ' ' || (self.ensure_ascii && c > '~') => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        output.push_str(&format!("\\u{unit:04x}"));
                    }
                }
                c => output.push(c),
            }
        }
        output.push('"');
    }
}
