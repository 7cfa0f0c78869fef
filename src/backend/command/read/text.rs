//! Lines and fields of a text of any size and kind, and how they are shown in errors. Nothing here copies the text.

use std::fmt::Display;

use memchr::{memchr, memchr_iter, memrchr};

use super::number::{Number, number};

/// One line of a text, without its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// Counted from 1.
    pub(super) number: usize,
    /// What it says.
    pub(super) text: &'a [u8],
}

/// The lines of a text, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Lines<'a> {
    rest: &'a [u8],
    number: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn of(text: &'a [u8]) -> Lines<'a> {
        Lines { rest: text, number: 0 }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr(b'\n', self.rest).unwrap_or(self.rest.len());
        let text = without_return(&self.rest[..end]);
        self.rest = &self.rest[(end + 1).min(self.rest.len())..];
        self.number += 1;
        Some(Line { number: self.number, text })
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// How many lines a text has.
pub(super) fn line_count(text: &[u8]) -> usize {
    memchr_iter(b'\n', text).count() + usize::from(text.last().is_some_and(|byte| *byte != b'\n'))
}

/// The line that a byte of a text is in. Its number costs a look at all that comes before: for errors.
pub(super) fn line_at(text: &[u8], offset: usize) -> Line<'_> {
    let offset = offset.min(text.len());
    let start = memrchr(b'\n', &text[..offset]).map_or(0, |newline| newline + 1);
    let end = memchr(b'\n', &text[offset..]).map_or(text.len(), |length| offset + length);
    Line { number: memchr_iter(b'\n', &text[..start]).count() + 1, text: without_return(&text[start..end]) }
}

/// The parts of a line between any of the separators. The line ends at the first newline, which is looked for no
/// farther than the fields are asked for: a line may be endless.
pub(super) fn fields(line: &[u8], separates: impl Fn(u8) -> bool) -> impl Iterator<Item = &[u8]> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let start = rest.iter().position(|byte| *byte == b'\n' || !separates(*byte))?;
        rest = &rest[start..];
        let length = rest.iter().position(|byte| *byte == b'\n' || separates(*byte)).unwrap_or(rest.len());
        let field;
        (field, rest) = rest.split_at(length);
        (length > 0).then_some(field)
    })
}

/// Blanks, and commas where these are not decimal signs.
pub(super) fn is_separator(byte: u8, comma: bool) -> bool {
    byte.is_ascii_whitespace() || (byte == b',' && !comma)
}

/// As much of a text as an error shows.
pub(super) fn shown(text: &[u8]) -> String {
    const CHARACTERS: usize = 120;
    let start = &text[..text.len().min(4 * CHARACTERS)];
    let lossy = String::from_utf8_lossy(start);
    let plain = lossy.chars().map(|c| match c {
        '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    });
    let mut short: String = plain.take(CHARACTERS).collect();
    if short.len() < text.len() && short.chars().count() == CHARACTERS {
        short.push_str("...");
    }
    short
}

/// The number that a part of a line is; the error says `what` it was to be.
pub(super) fn number_of<'a>(
    text: &[u8],
    comma: bool,
    what: impl Display,
    line: impl FnOnce() -> Line<'a>,
) -> Result<Number, String> {
    number(text, comma).map_err(|error| {
        let line = line();
        format!("{what} of line {}, `{}`, {error}; the line is `{}`", line.number, shown(text), shown(line.text))
    })
}

/// What a text without something in it is: how long, and how it ends.
pub(super) fn extent(text: &[u8]) -> String {
    match line_count(text) {
        0 => "it is empty".to_owned(),
        count => format!("it has {count} lines, the last is `{}`", shown(line_at(text, text.len() - 1).text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_as_they_do_anywhere() {
        let text = b"a\r\n\nb\nc";
        let lines: Vec<(usize, &[u8])> = Lines::of(text).map(|line| (line.number, line.text)).collect();
        assert_eq!(lines, [(1, &b"a"[..]), (2, b""), (3, b"b"), (4, b"c")]);
        assert_eq!((line_count(text), line_count(b""), line_count(b"a\n")), (4, 0, 1));
        for (offset, number, expected) in [(0, 1, "a"), (3, 2, ""), (4, 3, "b"), (6, 4, "c"), (99, 4, "c")] {
            let line = line_at(text, offset);
            assert_eq!((line.number, line.text), (number, expected.as_bytes()), "{offset}");
        }
    }

    #[test]
    fn fields_end_with_their_line() {
        let all: Vec<&[u8]> = fields(b" a, b=c\r\nd", |byte| is_separator(byte, false) || byte == b'=').collect();
        assert_eq!(all, [b"a", b"b", b"c"]);
        assert_eq!(fields(b"1,5 2", |byte| is_separator(byte, true)).count(), 2);
    }

    #[test]
    fn errors_show_little() {
        assert_eq!(shown(b"a\tb\x00\xff"), "a b\u{fffd}\u{fffd}");
        let long = shown(&[b'x'; 1 << 20]);
        assert_eq!((long.len(), long.ends_with("x...")), (123, true));
    }
}
