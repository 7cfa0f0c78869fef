//! `line` and `columns`: a number at a fixed place.

use super::found::Found;
use super::text::{Lines, extent, number_of, shown};
use crate::manifest::command::Columns;

/// Columns of a line, counted in bytes as Fortran counts them.
#[derive(Debug)]
pub(super) struct ColumnsReading {
    line: usize,
    first: usize,
    last: usize,
    comma: bool,
}

impl ColumnsReading {
    pub(super) fn load(columns: &Columns, comma: bool) -> Result<ColumnsReading, String> {
        let [first, last] = columns.columns;
        if columns.line == 0 {
            return Err("line: lines are counted from 1".to_owned());
        }
        if first == 0 || last < first {
            return Err(format!("columns = [{first}, {last}]: the first and the last, counted from 1"));
        }
        Ok(ColumnsReading { line: columns.line, first, last, comma })
    }

    pub(super) fn read(&self, text: &[u8], found: &mut Found) -> Result<(), String> {
        let (first, last) = (self.first, self.last);
        let line = Lines::of(text)
            .nth(self.line - 1)
            .ok_or_else(|| format!("there is no line {}; {}", self.line, extent(text)))?;
        let columns = line.text.get(first - 1..last.min(line.text.len())).ok_or_else(|| {
            let length = line.text.len();
            format!("line {} has {length} columns and none from {first} on: `{}`", line.number, shown(line.text))
        })?;
        found.push(number_of(columns, self.comma, format_args!("columns {first} to {last}"), || line)?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fails, reads};

    #[test]
    fn columns_are_cut_out() {
        reads("line = 2\ncolumns = [1, 5]", "\r\n12.3412.35\r\n", 12.34);
        reads("line = 2\ncolumns = [6, 20]", "\r\n12.3412.35\r\n", 12.35);
        reads("line = 1\ncolumns = [3, 8]", "x    7\n", 7.0);
    }

    #[test]
    fn errors_show_the_line() {
        for (reading, text, expected) in [
            ("line = 3\ncolumns = [1, 5]", "a\nb\n", "there is no line 3; it has 2 lines, the last is `b`"),
            ("line = 1\ncolumns = [9, 12]", "abc\n", "line 1 has 3 columns and none from 9 on: `abc`"),
            ("line = 1\ncolumns = [2, 4]", "a   b", "columns 2 to 4 of line 1, `   `, is blank; the line is `a   b`"),
        ] {
            assert_eq!(fails(reading, text), expected);
        }
    }
}
