//! `anchor`: a field of a line at or below a text that is searched for.

use memchr::memchr;
use memchr::memmem::{Finder, FinderRev};

use super::found::Found;
use super::text::{extent, fields, is_separator, line_at, number_of, shown};
use crate::manifest::command::{Anchor, Nth};

/// A search for some of a text's occurrences.
#[derive(Debug)]
pub(super) struct Search {
    anchor: String,
    forward: Finder<'static>,
    backward: FinderRev<'static>,
    occurrence: Nth,
}

impl Search {
    pub(super) fn load(anchor: &str, occurrence: Nth) -> Result<Search, String> {
        if anchor.is_empty() {
            return Err("the anchor is empty: which text does it come after?".to_owned());
        }
        Ok(Search {
            anchor: anchor.to_owned(),
            forward: Finder::new(anchor).into_owned(),
            backward: FinderRev::new(anchor).into_owned(),
            occurrence,
        })
    }

    pub(super) fn anchor(&self) -> &str {
        &self.anchor
    }

    /// Calls `read` with the end of each occurrence that is wanted; it says where the search for more goes on.
    pub(super) fn each(&self, text: &[u8], mut read: impl FnMut(usize) -> Result<usize, String>) -> Result<(), String> {
        let start = match self.occurrence {
            Nth::First(n) => self.forward.find_iter(text).nth(n - 1),
            Nth::Last(n) => self.backward.rfind_iter(text).nth(n - 1),
            Nth::All => self.forward.find(text),
        };
        let Some(mut start) = start else { return Err(self.missing(text)) };
        loop {
            let on = read(start + self.anchor.len())?;
            if self.occurrence != Nth::All {
                return Ok(());
            }
            match self.forward.find(&text[on..]) {
                Some(next) => start = on + next,
                None => return Ok(()),
            }
        }
    }

    fn missing(&self, text: &[u8]) -> String {
        let count = self.forward.find_iter(text).count();
        let place = match self.occurrence {
            Nth::First(n) if count > 0 => format!("is there {count} times only, not {n}"),
            Nth::Last(n) if count > 0 => format!("is there {count} times only, not {n}"),
            _ => "is not there".to_owned(),
        };
        format!("`{}` {place}; {}", shown(self.anchor.as_bytes()), extent(text))
    }
}

/// Where the line after the one that a byte is in begins, if there is one.
pub(super) fn next_line(text: &[u8], offset: usize) -> Option<usize> {
    let next = offset + memchr(b'\n', &text[offset..])? + 1;
    (next < text.len()).then_some(next)
}

/// `anchor = "TEXT"`.
#[derive(Debug)]
pub(super) struct AnchorReading {
    search: Search,
    row: usize,
    field: usize,
    comma: bool,
}

impl AnchorReading {
    pub(super) fn load(anchor: &Anchor, comma: bool) -> Result<AnchorReading, String> {
        if anchor.field == 0 {
            return Err("field: fields are counted from 1".to_owned());
        }
        let search = Search::load(&anchor.anchor, anchor.occurrence)?;
        Ok(AnchorReading { search, row: anchor.row, field: anchor.field, comma })
    }

    pub(super) fn read(&self, text: &[u8], found: &mut Found) -> Result<(), String> {
        self.search.each(text, |end| {
            self.read_one(text, end, found)?;
            // A line below is that of all occurrences in their line.
            Ok(if self.row == 0 { end } else { next_line(text, end).unwrap_or(text.len()) })
        })?;
        if self.search.occurrence == Nth::All {
            found.list();
        }
        Ok(())
    }

    fn read_one(&self, text: &[u8], end: usize, found: &mut Found) -> Result<(), String> {
        let anchor = self.search.anchor();
        let mut start = end;
        for row in 0..self.row {
            start = next_line(text, start).ok_or_else(|| {
                let line = line_at(text, end);
                format!("`{anchor}` is in line {}, and only {row} lines come after it, not {}", line.number, self.row)
            })?;
        }
        let separates = |byte| is_separator(byte, self.comma) || matches!(byte, b'=' | b':');
        let field = fields(&text[start..], separates).nth(self.field - 1).ok_or_else(|| {
            let line = line_at(text, start);
            let after = if self.row == 0 { format!(" after `{anchor}`") } else { String::new() };
            format!("there is no field {}{after} in line {}, `{}`", self.field, line.number, shown(line.text))
        })?;
        found.push(number_of(field, self.comma, format_args!("field {}", self.field), || line_at(text, start))?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fails, reads, reads_list};

    const OUTPUT: &str = "\
 ITERATION   1   RESIDUAL =  1.234E-02
 ITERATION   2   RESIDUAL =  5.678E-05

 TOTAL MASS:   12.345 KG
   FORCES
   FX     FY      FZ
   1.5   -2.25   3.0D+01
";

    #[test]
    fn a_field_after_an_anchor_is_read() {
        reads(r#"anchor = "TOTAL MASS""#, OUTPUT, 12.345);
        reads(r#"anchor = "RESIDUAL""#, OUTPUT, 1.234e-2);
        reads("anchor = \"RESIDUAL\"\noccurrence = 2", OUTPUT, 5.678e-5);
        reads("anchor = \"RESIDUAL\"\noccurrence = \"last\"", OUTPUT, 5.678e-5);
        reads("anchor = \"RESIDUAL\"\noccurrence = -2", OUTPUT, 1.234e-2);
        reads("anchor = \"ITERATION\"\nfield = 3\noccurrence = -1", OUTPUT, 5.678e-5);
        reads("anchor = \"FORCES\"\nrow = 2\nfield = 3", OUTPUT, 30.0);
        reads_list("anchor = \"RESIDUAL\"\noccurrence = \"all\"", OUTPUT, &[1.234e-2, 5.678e-5]);
        reads("anchor = \"MASSE\"\ncomma = true", "MASSE = 1,5 kg", 1.5);
        reads_list("anchor = \"x\"\nrow = 1\noccurrence = \"all\"", "x x x\n1\nx\r\n2\r\n", &[1.0, 2.0]);
    }

    #[test]
    fn errors_say_how_far_it_came() {
        for (reading, text, expected) in [
            (
                r#"anchor = "MOMENT""#,
                OUTPUT,
                "`MOMENT` is not there; it has 7 lines, the last is `   1.5   -2.25   3.0D+01`",
            ),
            (r#"anchor = "MOMENT""#, "", "`MOMENT` is not there; it is empty"),
            (
                "anchor = \"RESIDUAL\"\noccurrence = 3",
                OUTPUT,
                "`RESIDUAL` is there 2 times only, not 3; it has 7 lines, the last is `   1.5   -2.25   3.0D+01`",
            ),
            (
                "anchor = \"TOTAL MASS\"\nfield = 3",
                OUTPUT,
                "there is no field 3 after `TOTAL MASS` in line 4, ` TOTAL MASS:   12.345 KG`",
            ),
            (
                "anchor = \"TOTAL MASS\"\nfield = 2",
                OUTPUT,
                "field 2 of line 4, `KG`, is no number; the line is ` TOTAL MASS:   12.345 KG`",
            ),
            ("anchor = \"FORCES\"\nrow = 9", OUTPUT, "`FORCES` is in line 5, and only 2 lines come after it, not 9"),
            (
                r#"anchor = "M""#,
                "M = ******",
                "field 1 of line 1, `******`, is a number too wide for the columns it was printed in; the line is `M = ******`",
            ),
            (r#"anchor = "M""#, "\n\nM NaN", "field 1 of line 3, `NaN`, is not finite; the line is `M NaN`"),
        ] {
            assert_eq!(fails(reading, text), expected);
        }
    }
}
