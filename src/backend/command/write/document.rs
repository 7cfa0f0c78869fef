//! Values of JSON and TOML documents, found by pointers (RFC 6901). The rest of the document stays, comments included.

use std::collections::HashMap;
use std::ops::Range;

use serde_json::value::RawValue;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::target::Value;
use super::text::Piece;
use crate::diff::Decimal;

/// Where the value stands.
pub(super) fn find(place: &str, bytes: &[u8], pointer: &str) -> Result<Range<usize>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("is no UTF-8 text: {error}"))?;
    let steps = steps(pointer)?;
    match place.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).as_deref() {
        Some("json") => in_json(text, &steps),
        Some("toml") => in_toml(text, &steps),
        _ => Err("a pointer leads into a .json or .toml file; use an anchor or columns here".to_owned()),
    }
}

/// A value as such documents have it: lists in brackets.
pub(super) fn pieces(shape: &[usize], mut values: impl Iterator<Item = Value>, decimal: Decimal) -> Vec<Piece> {
    let mut pieces = Vec::new();
    nest(shape, &mut values, decimal, &mut pieces);
    pieces
}

fn nest(shape: &[usize], values: &mut impl Iterator<Item = Value>, decimal: Decimal, pieces: &mut Vec<Piece>) {
    let Some((&dim, rest)) = shape.split_first() else {
        pieces.extend(values.next().map(|value| match value {
            Value::Fixed { json, .. } => Piece::Literal(json.into_bytes()),
            number => number.piece(decimal),
        }));
        return;
    };
    pieces.push(Piece::Literal(b"[".to_vec()));
    for i in 0..dim {
        if i > 0 {
            pieces.push(Piece::Literal(b", ".to_vec()));
        }
        nest(rest, values, decimal, pieces);
    }
    pieces.push(Piece::Literal(b"]".to_vec()));
}

fn steps(pointer: &str) -> Result<Vec<String>, String> {
    if pointer.is_empty() {
        return Ok(Vec::new());
    }
    let rest = pointer.strip_prefix('/').ok_or_else(|| format!("'{pointer}' is no pointer: it looks like /a/b/0"))?;
    Ok(rest.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect())
}

fn missing(step: &str, depth: usize, steps: &[String]) -> String {
    format!("the document has no '{step}' at /{}", steps[..depth].join("/"))
}

fn in_json(text: &str, steps: &[String]) -> Result<Range<usize>, String> {
    let wrong = |error: serde_json::Error| format!("is no JSON: {error}");
    let mut value: &RawValue = serde_json::from_str(text).map_err(wrong)?;
    for (depth, step) in steps.iter().enumerate() {
        let below = if value.get().starts_with('{') {
            let mut map: HashMap<String, &RawValue> = serde_json::from_str(value.get()).map_err(wrong)?;
            map.remove(step)
        } else if value.get().starts_with('[') {
            let items: Vec<&RawValue> = serde_json::from_str(value.get()).map_err(wrong)?;
            step.parse::<usize>().ok().and_then(|index| items.get(index).copied())
        } else {
            None
        };
        value = below.ok_or_else(|| missing(step, depth, steps))?;
    }
    // A raw value is a part of the text it was read from.
    let start = value.get().as_ptr() as usize - text.as_ptr() as usize;
    Ok(start..start + value.get().len())
}

fn in_toml(text: &str, steps: &[String]) -> Result<Range<usize>, String> {
    let table = DeTable::parse(text).map_err(|error| format!("is no TOML: {}", error.message()))?;
    let (first, rest) = steps.split_first().ok_or("the pointer must lead to a value")?;
    let start = table.get_ref().get(first.as_str()).ok_or_else(|| missing(first, 0, steps))?;
    let value: &Spanned<DeValue<'_>> = rest.iter().enumerate().try_fold(start, |value, (depth, step)| {
        let below = match value.get_ref() {
            DeValue::Table(table) => table.get(step.as_str()),
            DeValue::Array(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => None,
        };
        below.ok_or_else(|| missing(step, depth + 1, steps))
    })?;
    if value.get_ref().is_table() {
        return Err("the pointer leads to a table, not to a value".to_owned());
    }
    Ok(value.span())
}
