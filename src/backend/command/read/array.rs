//! `array = "text"`: all numbers of a text.

use memchr::memmem;

use super::found::Found;
use super::number::Number;
use super::text::{Lines, fields, number_of};
use crate::manifest::command::NumbersOf;

/// Numbers between blanks, commas (semicolons where commas are decimal) and ends of lines.
#[derive(Debug)]
pub(super) struct ArrayReading {
    skip: usize,
    comment: Option<memmem::Finder<'static>>,
    comma: bool,
}

impl ArrayReading {
    pub(super) fn load(array: &NumbersOf, comma: bool) -> Result<ArrayReading, String> {
        if array.comment.as_deref() == Some("") {
            return Err("comment: it begins with what?".to_owned());
        }
        let comment = array.comment.as_deref().map(|comment| memmem::Finder::new(comment).into_owned());
        Ok(ArrayReading { skip: array.skip, comment, comma })
    }

    pub(super) fn read(&self, text: &[u8], found: &mut Found) -> Result<(), String> {
        let separator = if self.comma { b';' } else { b',' };
        let mut lines = Lines::of(text);
        for line in lines.by_ref().skip(self.skip) {
            let end = self.comment.as_ref().and_then(|comment| comment.find(line.text)).unwrap_or(line.text.len());
            for field in fields(&line.text[..end], |byte| byte.is_ascii_whitespace() || byte == separator) {
                let (repeats, text) = repeated(field);
                let count = found.numbers.len() + 1;
                let number: Number = number_of(text, self.comma, format_args!("number {count}"), || line)?;
                for _ in 0..repeats {
                    found.push(number)?;
                }
            }
        }
        if found.numbers.is_empty() {
            let skipped = if self.skip > 0 { format!(", {} of them left out", self.skip) } else { String::new() };
            return Err(format!("there are no numbers in its {} lines{skipped}", lines.count()));
        }
        found.list();
        Ok(())
    }
}

/// `3*1.5`: what Fortran's list-directed output may print for 1.5 1.5 1.5.
fn repeated(field: &[u8]) -> (usize, &[u8]) {
    let digits = field.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match (digits, field.get(digits)) {
        (1..=18, Some(b'*')) => {
            let repeats = field[..digits].iter().fold(0, |sum, digit| 10 * sum + usize::from(digit - b'0'));
            (repeats, &field[digits + 1..])
        }
        _ => (1, field),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fails, reads_list};

    #[test]
    fn all_numbers_are_read() {
        reads_list("array = \"text\"", "1 2,3\n\n  4.5,\r\n-1D3", &[1.0, 2.0, 3.0, 4.5, -1000.0]);
        reads_list("array = \"text\"\nskip = 1\ncomment = \"#\"", "a 1 b\n1 # 2\n# 3\n4", &[1.0, 4.0]);
        reads_list("array = \"text\"\ncomma = true", "1,5; 2,5\n3", &[1.5, 2.5, 3.0]);
        reads_list("array = \"text\"", " 2*0.5 3.0", &[0.5, 0.5, 3.0]);
    }

    #[test]
    fn anything_else_is_an_error() {
        for (text, expected) in [
            ("", "there are no numbers in its 0 lines"),
            ("1 2\n3 x\n", "number 4 of line 2, `x`, is no number; the line is `3 x`"),
            (
                "1 ***",
                "number 2 of line 1, `***`, is a number too wide for the columns it was printed in; the line is `1 ***`",
            ),
            ("99999999999999*1", "there are more than the 1000 that the output has room for"),
        ] {
            assert_eq!(fails("array = \"text\"", text), expected);
        }
    }
}
