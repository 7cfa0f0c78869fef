//! JSON text to values and back, Python's `NaN`, `Infinity` and `-Infinity` included, and C's `nan`.
//!
//! Not arrays (`decode`, `encode`).

use std::borrow::Cow;

use serde_json::Value;

/// Why a text is not JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} at line {line} column {column}")]
pub struct JsonError {
    /// Its line, from 1.
    pub line: usize,
    /// Its column in bytes, from 1.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> JsonError {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let place = format!(" at line {line} column {column}");
        JsonError { line, column, message: text.strip_suffix(&place).unwrap_or(&text).to_owned() }
    }
}

/// Parses JSON, and what Python's `json` writes for numbers that are not finite, or C's `printf` for what is none.
pub fn parse_json(bytes: &[u8]) -> Result<Value, JsonError> {
    serde_json::from_slice(bytes).or_else(|error| match mark_non_finite(bytes) {
        Some(marked) => Ok(serde_json::from_slice(&marked)?),
        None => Err(error.into()),
    })
}

// A JSON value has no place for a number that is not finite, so it travels as a string of DEL
// characters of the literal's own length: error positions stay true, and nobody means such a text.
const LITERALS: [(&str, f64); 5] = [
    ("NaN", f64::NAN),
    ("Infinity", f64::INFINITY),
    ("-Infinity", f64::NEG_INFINITY),
    ("nan", f64::NAN),
    ("-nan", f64::NAN),
];
const MARK: u8 = 0x7f;

/// The number that a marked string stands for.
pub(super) fn non_finite(text: &str) -> Option<f64> {
    if !text.bytes().all(|byte| byte == MARK) {
        return None;
    }
    LITERALS.iter().find(|(literal, _)| literal.len() == text.len() + 2).map(|&(_, number)| number)
}

/// The text with its literals outside strings marked; `None` when it has none.
pub(crate) fn mark_non_finite(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut marked = None;
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        if rest[0] == b'"' {
            at += string_length(rest);
        } else if let Some((literal, _)) = LITERALS.iter().find(|(literal, _)| rest.starts_with(literal.as_bytes())) {
            let end = at + literal.len();
            let place = &mut marked.get_or_insert_with(|| bytes.to_vec())[at..end];
            place.fill(MARK);
            place[0] = b'"';
            place[literal.len() - 1] = b'"';
            at = end;
        } else {
            at += 1;
        }
    }
    marked
}

/// Bytes of the string that starts here, quotes included.
fn string_length(bytes: &[u8]) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The value as standard JSON text. Numbers that are not finite have no place there: they become
/// `null` if `lenient`, else there is no text.
pub fn standard_text(value: &Value, lenient: bool) -> Option<String> {
    let value = if !has_non_finite(value) {
        Cow::Borrowed(value)
    } else if lenient {
        let mut value = value.clone();
        nullify(&mut value);
        Cow::Owned(value)
    } else {
        return None;
    };
    Some(value.to_string())
}

fn has_non_finite(value: &Value) -> bool {
    match value {
        Value::String(text) => non_finite(text).is_some(),
        Value::Array(items) => items.iter().any(has_non_finite),
        Value::Object(fields) => fields.values().any(has_non_finite),
        _ => false,
    }
}

fn nullify(value: &mut Value) {
    match value {
        Value::String(text) if non_finite(text).is_some() => *value = Value::Null,
        Value::Array(items) => items.iter_mut().for_each(nullify),
        Value::Object(fields) => fields.values_mut().for_each(nullify),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn python_literals_are_read_outside_strings_only() {
        let value = parse_json(br#"{"NaN": [NaN, -Infinity, Infinity, "a\"NaN"]}"#).unwrap();
        let items = value["NaN"].as_array().unwrap();
        let numbers: Vec<_> = items.iter().map(|item| non_finite(item.as_str().unwrap())).collect();
        assert!(numbers[0].unwrap().is_nan());
        assert_eq!(numbers[1..], [Some(f64::NEG_INFINITY), Some(f64::INFINITY), None]);
        assert_eq!(items[3], json!("a\"NaN"));
        let value = parse_json(b"[nan, -nan]").unwrap();
        assert!(value.as_array().unwrap().iter().all(|item| non_finite(item.as_str().unwrap()).unwrap().is_nan()));
    }

    #[test]
    fn errors_know_their_place() {
        let error = parse_json(b"{\"a\": NaN,\n \"b\": }").unwrap_err();
        insta::assert_snapshot!(error, @"expected value at line 2 column 7");
        assert_eq!((error.line, error.column, &*error.message), (2, 7, "expected value"));
        let deep = [vec![b'['; 1000], vec![b']'; 1000]].concat();
        insta::assert_snapshot!(parse_json(&deep).unwrap_err(), @"recursion limit exceeded at line 1 column 128");
        insta::assert_snapshot!(parse_json(b"").unwrap_err(), @"EOF while parsing a value at line 1 column 0");
    }

    #[test]
    fn a_standard_text_has_no_marks() {
        let value = parse_json(br#"{"a": [1, NaN], "b": "x"}"#).unwrap();
        assert_eq!(standard_text(&value, true).unwrap(), r#"{"a":[1,null],"b":"x"}"#);
        assert_eq!(standard_text(&value, false), None);
        assert_eq!(standard_text(&json!(["x"]), false).unwrap(), r#"["x"]"#);
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_are_refused(bytes in "[\\[\\]{}:,\"\\\\NaInfty\\- 0-9.e]{0,40}") {
            let _ = parse_json(bytes.as_bytes());
        }
    }
}
