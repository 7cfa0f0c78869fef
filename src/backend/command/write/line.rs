//! Places in the lines of a text: fields after an anchor, and fixed columns.

use std::ops::Range;

use memchr::memmem;

use super::target::Value;
use super::text::Piece;
use crate::diff::Decimal;
use crate::manifest::command::{Anchor, Columns, Nth};

/// The places of so many fields, for each occurrence of the anchor that is meant.
pub(super) fn after_anchor(bytes: &[u8], anchor: &Anchor, count: usize) -> Result<Vec<Vec<Range<usize>>>, String> {
    let text = &anchor.anchor;
    if text.is_empty() {
        return Err("the anchor is empty".to_owned());
    }
    let found: Vec<usize> = memmem::find_iter(bytes, text.as_bytes()).map(|at| at + text.len()).collect();
    let occurrences = chosen(&found, anchor.occurrence).ok_or_else(|| match found.len() {
        0 => format!("the anchor {text:?} is not in the file"),
        n => format!("the anchor {text:?} is in the file {n} times only"),
    })?;
    if anchor.field == 0 {
        return Err("fields are counted from 1".to_owned());
    }
    occurrences
        .iter()
        .map(|&at| {
            let mut line = at..end_of_line(bytes, at);
            for row in 0..anchor.row {
                let start = line_after(bytes, line.end)
                    .ok_or_else(|| format!("the file ends {row} lines below the anchor {text:?}"))?;
                line = start..end_of_line(bytes, start);
            }
            let fields = fields(bytes, line.clone());
            let wanted = anchor.field - 1..anchor.field - 1 + count;
            fields.get(wanted).map(<[_]>::to_vec).ok_or_else(|| {
                let place = String::from_utf8_lossy(&bytes[line.clone()]);
                let number = 1 + memchr::memchr_iter(b'\n', &bytes[..line.start]).count();
                format!(
                    "line {number} has {} fields in {place:?}, and {count} are wanted from the {} on",
                    fields.len(),
                    ordinal(anchor.field)
                )
            })
        })
        .collect()
}

/// The places of so many fields of equal width beside each other, on a line that reaches them.
pub(super) fn columns(bytes: &[u8], columns: &Columns, count: usize) -> Result<Vec<Range<usize>>, String> {
    let start = start_of_line(bytes, columns)?;
    let (first, width) = (start + columns.columns[0] - 1, width(columns));
    Ok((0..count).map(|i| first + i * width..first + (i + 1) * width).collect())
}

/// The text with blanks at the end of the line, so that so many fields have their columns.
pub(super) fn reaching(mut bytes: Vec<u8>, columns: &Columns, count: usize) -> Result<Vec<u8>, String> {
    let start = start_of_line(&bytes, columns)?;
    let end = end_of_line(&bytes, start);
    let wanted = start + columns.columns[0] - 1 + count * width(columns);
    bytes.splice(end..end, std::iter::repeat_n(b' ', wanted.saturating_sub(end)));
    Ok(bytes)
}

fn start_of_line(bytes: &[u8], columns: &Columns) -> Result<usize, String> {
    let [first, last] = columns.columns;
    if first == 0 || last < first || columns.line == 0 {
        return Err(format!("line {}, columns {first} to {last}: lines and columns are counted from 1", columns.line));
    }
    if width(columns) > 400 {
        return Err(format!("columns {first} to {last}: no number is that wide"));
    }
    let mut start = 0;
    for line in 1..columns.line {
        start = line_after(bytes, end_of_line(bytes, start))
            .ok_or_else(|| format!("there is no line {}: the file has {line}", columns.line))?;
    }
    Ok(start)
}

fn width(columns: &Columns) -> usize {
    columns.columns[1] + 1 - columns.columns[0]
}

/// What fills columns: a number as the format has it, or with the most digits that there is room for.
pub(super) fn filling(value: Value, decimal: Option<Decimal>, columns: &Columns) -> Result<Piece, String> {
    let width = width(columns);
    match value {
        Value::Number(..) => {
            let columns = width as u16;
            Ok(value.piece(decimal.unwrap_or(Decimal::fill(columns)).in_columns(columns)))
        }
        // Words begin where their columns do, and numbers end there.
        Value::Fixed { plain, json } => {
            let text = if json.starts_with('"') { format!("{plain:<width$}") } else { format!("{plain:>width$}") };
            if text.len() > width {
                return Err(format!("{plain:?} does not fit {width} columns"));
            }
            Ok(Piece::Literal(text.into_bytes()))
        }
    }
}

/// Those of all that are meant; nothing if there are not so many.
pub(super) fn chosen<T>(all: &[T], nth: Nth) -> Option<&[T]> {
    let at = match nth {
        Nth::All if all.is_empty() => return None,
        Nth::All => return Some(all),
        Nth::First(n) => n.checked_sub(1)?,
        Nth::Last(n) => all.len().checked_sub(n)?,
    };
    all.get(at..=at)
}

/// Where the line ends that `at` is on, its end of line not included.
fn end_of_line(bytes: &[u8], at: usize) -> usize {
    let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |length| at + length);
    if end > at && bytes[end - 1] == b'\r' { end - 1 } else { end }
}

/// Where the next line starts.
fn line_after(bytes: &[u8], end: usize) -> Option<usize> {
    let newline = memchr::memchr(b'\n', &bytes[end..])?;
    Some(end + newline + 1).filter(|&start| start < bytes.len())
}

/// What stands between blanks, commas, `=` and `:`.
fn fields(bytes: &[u8], line: Range<usize>) -> Vec<Range<usize>> {
    let between = |byte: &u8| byte.is_ascii_whitespace() || b",=:".contains(byte);
    let mut found = Vec::new();
    let mut at = line.start;
    for field in bytes[line].split(between) {
        if !field.is_empty() {
            found.push(at..at + field.len());
        }
        at += field.len() + 1;
    }
    found
}

fn ordinal(n: usize) -> String {
    let ending = match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}
