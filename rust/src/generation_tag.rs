//! `{% generation %}` marks the assistant's words for training. It changes nothing in the text, and
//! minijinja does not know it, so each tag becomes an `if` that is always true: the same rules for
//! whitespace, no effect.

/// The source without generation tags.
pub fn replace_generation_tags(source: &str) -> String {
    let mut output = String::with_capacity(source.len());
    let mut rest = source;
    let mut in_raw = false;
    while let Some(start) = find_opening(rest) {
        output.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = match &rest[..2] {
            "{#" => rest.find("#}").map(|end| end + 2),
            "{{" if in_raw => Some(2),
            "{{" => closing(rest, "}}"),
            _ => closing(rest, "%}"),
        };
        let Some(end) = end else { break };
        let element = &rest[..end];
        rest = &rest[end..];
        let name = tag_name(element);
        match name {
            "raw" if element.starts_with("{%") => in_raw = true,
            "endraw" if element.starts_with("{%") => in_raw = false,
            _ => {}
        }
        match name {
            "generation" if !in_raw => output.push_str(&element.replacen(name, "if true", 1)),
            "endgeneration" if !in_raw => output.push_str(&element.replacen(name, "endif", 1)),
            _ => output.push_str(element),
        }
    }
    output.push_str(rest);
    output
}

fn find_opening(text: &str) -> Option<usize> {
    text.as_bytes()
        .windows(2)
        .position(|pair| pair[0] == b'{' && matches!(pair[1], b'{' | b'%' | b'#'))
}

/// Where the element that `text` starts with ends, strings inside it skipped.
fn closing(text: &str, mark: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut quote = None;
    let mut i = 2;
    while i < bytes.len() {
        match (quote, bytes[i]) {
            (Some(_), b'\\') => i += 1,
            (Some(open), byte) if byte == open => quote = None,
            (None, byte @ (b'"' | b'\'')) => quote = Some(byte),
            (None, _) if text.as_bytes()[i..].starts_with(mark.as_bytes()) => return Some(i + 2),
            _ => {}
        }
        i += 1;
    }
    None
}

/// The whole content of a `{% %}` tag if it is a single word, else "".
fn tag_name(element: &str) -> &str {
    let content = element.strip_prefix("{%").and_then(|content| content.strip_suffix("%}"));
    let content =
        content.unwrap_or("").trim_start_matches(['-', '+']).trim_end_matches(['-', '+']).trim();
    if content.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        content
    } else {
        ""
    }
}
