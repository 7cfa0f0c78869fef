//! Fortran namelists: `&group name = 1.0, 2*3.0, name(3) = 4 /`, and `$group ... $end` as older programs have it.

use std::ops::Range;

use super::line::chosen;
use super::target::Value;
use super::text::Piece;
use crate::diff::Decimal;
use crate::manifest::command::{Namelist, Site};

/// The most values that a repeat count is unfolded to.
const MOST: usize = 1_000_000;

/// A value that a variable is given.
struct Item {
    /// Which of the variable's elements it is, counted from 1; the first of those of a repeat count.
    element: usize,
    repeat: usize,
    /// All of it, the repeat count included.
    span: Range<usize>,
    /// What is repeated; empty for a value that is left out.
    value: Range<usize>,
}

/// The text with the repeat counts unfolded that the edits may need to take apart.
pub(super) fn unfold<'s>(mut bytes: Vec<u8>, sites: impl Iterator<Item = &'s Site>) -> Vec<u8> {
    for site in sites {
        let Site::Namelist(site) = site else { continue };
        // What cannot be read is told when the place is looked for.
        let Ok(groups) = variables(&bytes, site) else { continue };
        let touched = groups.into_iter().flatten().filter(|item| {
            (2..=MOST).contains(&item.repeat) && item.element + item.repeat > site.index && !item.value.is_empty()
        });
        let mut touched: Vec<Item> = touched.collect();
        touched.sort_by_key(|item| item.span.start);
        for item in touched.into_iter().rev() {
            let value = bytes[item.value].to_vec();
            let unfolded = vec![&value[..]; item.repeat].join(&b", "[..]);
            bytes.splice(item.span, unfolded);
        }
    }
    bytes
}

/// The places of so many values, for each group that is meant.
pub(super) fn find(bytes: &[u8], site: &Namelist, count: usize) -> Result<Vec<Vec<Range<usize>>>, String> {
    if site.index == 0 {
        return Err("the values of a variable are counted from 1".to_owned());
    }
    let groups = variables(bytes, site)?;
    groups
        .into_iter()
        .map(|items| {
            (site.index..site.index + count)
                .map(|element| {
                    // What is given last counts.
                    let item =
                        items.iter().rev().find(|item| (item.element..item.element + item.repeat).contains(&element));
                    match item {
                        Some(item) if item.value.is_empty() => {
                            Err(format!("value {element} of {} is left out in the file: give it one", site.name))
                        }
                        Some(item) if item.repeat == 1 => Ok(item.value.clone()),
                        Some(item) => Err(format!("{} values of {} are too many to unfold", item.repeat, site.name)),
                        None if items.is_empty() => Err(format!("&{} gives {} no value", site.namelist, site.name)),
                        None => Err(format!("&{} gives {} no value {element}", site.namelist, site.name)),
                    }
                })
                .collect()
        })
        .collect()
}

/// A value as namelists have it: words in quotes, logicals between dots.
pub(super) fn piece(value: Value, decimal: Decimal) -> Piece {
    match value {
        Value::Fixed { plain, json } if json.starts_with('"') => {
            Piece::Literal(format!("'{}'", plain.replace('\'', "''")).into_bytes())
        }
        Value::Fixed { plain, .. } if plain == "true" || plain == "false" => {
            Piece::Literal(format!(".{plain}.").into_bytes())
        }
        value => value.piece(decimal),
    }
}

/// The values that the groups which are meant give the variable.
fn variables(bytes: &[u8], site: &Namelist) -> Result<Vec<Vec<Item>>, String> {
    let groups = groups(bytes, &site.namelist)?;
    let meant = chosen(&groups, site.occurrence).ok_or_else(|| match groups.len() {
        0 => format!("there is no namelist &{} in the file", site.namelist),
        n => format!("there are {n} namelists &{} in the file only", site.namelist),
    })?;
    Ok(meant.iter().map(|group| items(bytes, group, &site.name)).collect())
}

/// What a namelist is made of.
#[derive(Debug, PartialEq)]
enum Token {
    /// A name or a value: anything without blanks between, texts in quotes and parts in parentheses included.
    Word(Range<usize>),
    Comma,
    Equals,
    /// The end of the group.
    End,
}

/// The tokens of every group of that name.
fn groups(bytes: &[u8], name: &str) -> Result<Vec<Vec<Token>>, String> {
    let mut found = Vec::new();
    let mut at = 0;
    // A group begins a line.
    while at < bytes.len() {
        let start = at + bytes[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let word = bytes.get(start + 1..).unwrap_or_default();
        let length = word.iter().take_while(|&&byte| byte.is_ascii_alphanumeric() || byte == b'_').count();
        if matches!(bytes.get(start), Some(b'&' | b'$')) && length > 0 {
            let named = word[..length].eq_ignore_ascii_case(name.as_bytes());
            let (tokens, end) = group(bytes, start + 1 + length);
            if !named {
                at = end;
            } else if tokens.last() == Some(&Token::End) {
                found.push(tokens);
                at = end;
            } else {
                return Err(format!("the namelist &{name} does not end"));
            }
        }
        at = memchr::memchr(b'\n', bytes.get(at.max(start)..).unwrap_or_default())
            .map_or(bytes.len(), |end| at.max(start) + end + 1);
    }
    Ok(found)
}

/// The tokens from there to the end of the group, and where that is.
fn group(bytes: &[u8], mut at: usize) -> (Vec<Token>, usize) {
    let mut tokens = Vec::new();
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'!' => at += memchr::memchr(b'\n', &bytes[at..]).unwrap_or(bytes.len() - at),
            b',' | b';' => {
                tokens.push(Token::Comma);
                at += 1;
            }
            b'=' => {
                tokens.push(Token::Equals);
                at += 1;
            }
            b'/' => {
                tokens.push(Token::End);
                return (tokens, at + 1);
            }
            byte if byte.is_ascii_whitespace() => at += 1,
            _ => {
                let end = word(bytes, at);
                let text = &bytes[at..end];
                if [&b"&end"[..], b"$end", b"&", b"$"].iter().any(|ending| text.eq_ignore_ascii_case(ending)) {
                    tokens.push(Token::End);
                    return (tokens, end);
                }
                tokens.push(Token::Word(at..end));
                at = end;
            }
        }
    }
    (tokens, at)
}

/// Where the word ends that begins there.
fn word(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\'' | b'"' => match memchr::memchr(byte, &bytes[at + 1..]) {
                Some(length) => at += length + 1,
                None => return bytes.len(),
            },
            b'(' => depth += 1,
            b')' if depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            b',' | b';' | b'=' | b'/' | b'!' => return at,
            byte if byte.is_ascii_whitespace() => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

/// The values that one group gives the variable.
fn items(bytes: &[u8], tokens: &[Token], name: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let wanted = folded(name.as_bytes());
    let mut i = 0;
    while i < tokens.len() {
        let (Token::Word(span), Some(Token::Equals)) = (&tokens[i], tokens.get(i + 1)) else {
            i += 1;
            continue;
        };
        let first = first_element(&folded(&bytes[span.clone()]), &wanted);
        i += 2;
        let mut element = first.unwrap_or(0);
        // Whether a value is due: a comma that meets none leaves one out.
        let mut due = true;
        while i < tokens.len() && tokens.get(i + 1) != Some(&Token::Equals) {
            let item = match &tokens[i] {
                Token::Word(span) => {
                    due = false;
                    Some(item(bytes, span.clone(), element))
                }
                Token::Comma if due => Some(Item { element, repeat: 1, span: 0..0, value: 0..0 }),
                Token::Comma => {
                    due = true;
                    None
                }
                Token::Equals | Token::End => break,
            };
            if let Some(item) = item {
                element += item.repeat;
                if first.is_some() {
                    items.push(item);
                }
            }
            i += 1;
        }
    }
    items
}

/// `3*1.5`, `3*`, or a value alone.
fn item(bytes: &[u8], span: Range<usize>, element: usize) -> Item {
    let text = &bytes[span.clone()];
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let count = std::str::from_utf8(&text[..digits]).ok().and_then(|text| text.parse::<usize>().ok());
    match count {
        Some(repeat @ 1..) if text.get(digits) == Some(&b'*') => {
            Item { element, repeat, span: span.clone(), value: span.start + digits + 1..span.end }
        }
        _ => Item { element, repeat: 1, span: span.clone(), value: span },
    }
}

/// The element that an assignment to `given` begins with, if it is one to the variable that is wanted.
fn first_element(given: &[u8], wanted: &[u8]) -> Option<usize> {
    if given == wanted {
        return Some(1);
    }
    let index = given.strip_prefix(wanted)?.strip_prefix(b"(")?.strip_suffix(b")")?;
    let index = index.split(|&byte| byte == b':').next()?;
    if index.is_empty() { Some(1) } else { std::str::from_utf8(index).ok()?.parse().ok() }
}

/// Without blanks and case, neither of which matters.
fn folded(name: &[u8]) -> Vec<u8> {
    name.iter().filter(|byte| !byte.is_ascii_whitespace()).map(u8::to_ascii_lowercase).collect()
}
