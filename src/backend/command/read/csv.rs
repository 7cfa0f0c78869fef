//! `csv`: a column of comma-separated values.

use csv_core::{ReadFieldResult, ReaderBuilder};

use super::found::Found;
use super::text::{Line, Lines, extent, number_of, shown};
use crate::manifest::command::{Column, Csv, Nth};

/// As much of a field as is kept: longer than any number, and than any name of a column.
const LONGEST_FIELD: usize = 2048;

/// A column.
#[derive(Debug)]
pub(super) struct CsvReading {
    column: Column,
    row: Nth,
    comma: bool,
    delimiter: u8,
}

impl CsvReading {
    pub(super) fn load(csv: &Csv, comma: bool) -> Result<CsvReading, String> {
        let delimiter = u8::try_from(csv.delimiter).ok().filter(u8::is_ascii);
        let delimiter = delimiter.ok_or_else(|| format!("delimiter: `{}` is not ASCII", csv.delimiter))?;
        if comma && delimiter == b',' {
            return Err("delimiter: commas are decimal signs here; is it `;`?".to_owned());
        }
        if csv.csv == Column::Number(0) {
            return Err("csv: columns are counted from 1".to_owned());
        }
        Ok(CsvReading { column: csv.csv.clone(), row: csv.row, comma, delimiter })
    }

    pub(super) fn read(&self, text: &[u8], found: &mut Found) -> Result<(), String> {
        let (mut records, column) = self.begin(text)?;
        let wanted = match self.row {
            Nth::First(n) => Some(n),
            Nth::Last(n) => {
                let (mut all, _) = self.begin(text)?;
                let count = std::iter::from_fn(|| all.next(column)).count();
                Some((count + 1).checked_sub(n).filter(|row| *row > 0).ok_or_else(|| short(n, count))?)
            }
            Nth::All => None,
        };
        let mut row = 0;
        while wanted != Some(row) {
            let first_line = records.parser.line();
            let Some(record) = records.next(column) else {
                return match wanted {
                    Some(wanted) => Err(short(wanted, row)),
                    None if row == 0 => Err(format!("it has no rows; {}", extent(text))),
                    None => {
                        found.list();
                        Ok(())
                    }
                };
            };
            row += 1;
            if wanted.is_some_and(|wanted| wanted != row) {
                continue;
            }
            let line = || record_line(text, first_line);
            let length = record.kept.ok_or_else(|| {
                let (count, line) = (record.fields, line());
                format!(
                    "row {row}, line {}, has {count} fields, not {}: `{}`",
                    line.number,
                    column + 1,
                    shown(line.text)
                )
            })?;
            let what = format_args!("column {} of row {row}", column + 1);
            found.push(number_of(&records.field[..length], self.comma, what, line)?)?;
        }
        Ok(())
    }

    /// The records after the header, if there is to be one, and which of their fields is read.
    fn begin<'a>(&self, text: &'a [u8]) -> Result<(Records<'a>, usize), String> {
        // A parser cannot be copied: the clone of one of csv-core 0.1.13 never ends.
        let parser = ReaderBuilder::new().delimiter(self.delimiter).build();
        let mut records = Records { parser, rest: text, field: [0; LONGEST_FIELD] };
        let column = match &self.column {
            Column::Number(number) => number - 1,
            Column::Name(name) => records.column(name, text)?,
        };
        Ok((records, column))
    }
}

fn short(wanted: usize, count: usize) -> String {
    format!("there is no row {wanted}: it has {count}")
}

/// The line that a record is in: blank ones before it are not its own.
fn record_line(text: &[u8], first: u64) -> Line<'_> {
    let from = usize::try_from(first).unwrap_or(usize::MAX).max(1) - 1;
    let record = Lines::of(text).skip(from).find(|line| !line.text.is_empty());
    record.unwrap_or(Line { number: from + 1, text: b"" })
}

/// One field after the other; of each record a single one is kept, whatever the length of the others.
struct Records<'a> {
    parser: csv_core::Reader,
    rest: &'a [u8],
    field: [u8; LONGEST_FIELD],
}

struct Record {
    /// How many it has.
    fields: usize,
    /// The length of the one that is kept.
    kept: Option<usize>,
}

impl Records<'_> {
    fn next(&mut self, kept: usize) -> Option<Record> {
        let mut record = Record { fields: 0, kept: None };
        while let Some((length, is_last)) = self.next_field(record.fields == kept) {
            if record.fields == kept {
                record.kept = Some(length);
            }
            record.fields += 1;
            if is_last {
                return Some(record);
            }
        }
        None
    }

    /// The length of a field, cut to the longest, and whether its record ends.
    fn next_field(&mut self, keep: bool) -> Option<(usize, bool)> {
        let mut scratch = [0; 256];
        let mut length = 0;
        loop {
            // What is too long goes where what is not wanted goes.
            let kept = keep && length < LONGEST_FIELD;
            let output = if kept { &mut self.field[length..] } else { &mut scratch[..] };
            let (result, read, written) = self.parser.read_field(self.rest, output);
            self.rest = &self.rest[read..];
            length += if kept { written } else { 0 };
            match result {
                // With an empty input the parser is told that there is no more.
                ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull => {}
                ReadFieldResult::Field { record_end } => return Some((length, record_end)),
                ReadFieldResult::End => return None,
            }
        }
    }

    /// Which column the header gives that name.
    fn column(&mut self, name: &str, text: &[u8]) -> Result<usize, String> {
        let mut column = None;
        let mut fields = 0;
        while let Some((length, is_last)) = self.next_field(true) {
            if self.field[..length].trim_ascii() == name.trim().as_bytes() {
                if column.is_some() {
                    return Err(format!("the header has the column `{name}` twice: `{}`", header(text)));
                }
                column = Some(fields);
            }
            fields += 1;
            if is_last {
                break;
            }
        }
        column.ok_or_else(|| format!("there is no column `{name}` in the header, `{}`", header(text)))
    }
}

fn header(text: &[u8]) -> String {
    Lines::of(text).find(|line| !line.text.is_empty()).map_or_else(String::new, |line| shown(line.text))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fails, quanta, reads, reads_list, refuses};

    const OUTPUT: &str = "\u{feff}time, \"mass, total\",note\r\n0.0,1.2500,\"a \"\"b\"\"\nc\"\r\n\r\n1.0,1.3750,\r\n";

    #[test]
    fn columns_are_found_by_name_and_number() {
        reads_list("csv = \"time\"", OUTPUT, &[0.0, 1.0]);
        reads_list("csv = \"mass, total\"", "time,\"mass, total\"\n0,1.5\n", &[1.5]);
        reads("csv = \"time\"\nrow = \"last\"", OUTPUT, 1.0);
        reads("csv = \"time\"\nrow = 1", OUTPUT, 0.0);
        reads("csv = \"time\"\nrow = -2", OUTPUT, 0.0);
        reads_list("csv = 2", "1,2\n3,4", &[2.0, 4.0]);
        reads_list("csv = 1\ndelimiter = \";\"\ncomma = true", "1,5;2\n2,5;3\n", &[1.5, 2.5]);
        reads_list("csv = \"b\"\ndelimiter = \"\\t\"", "a\tb\n1\t2\n", &[2.0]);
        assert_eq!(quanta("csv = 2", "x,1.2500\ny,1.5\n"), [1e-4, 0.0]);
        let long = format!("{},2\n", "x".repeat(100_000));
        reads_list("csv = 2", long, &[2.0]);
    }

    #[test]
    fn errors_name_the_row() {
        for (reading, text, expected) in [
            ("csv = \"b\"", "a,c\n1,2\n", "there is no column `b` in the header, `a,c`"),
            ("csv = \"a\"", "a,a\n1,2\n", "the header has the column `a` twice: `a,a`"),
            ("csv = \"a\"", "", "there is no column `a` in the header, ``"),
            ("csv = \"a\"", "a\n", "it has no rows; it has 1 lines, the last is `a`"),
            ("csv = \"a\"\nrow = 3", "a\n1\n2\n", "there is no row 3: it has 2"),
            ("csv = \"a\"\nrow = -3", "a\n1\n2\n", "there is no row 3: it has 2"),
            ("csv = \"b\"", "a,b\n1,2\n\n3\n", "row 2, line 4, has 1 fields, not 2: `3`"),
            ("csv = \"b\"", "a,b\n1,2\n3,x\n", "column 2 of row 2 of line 3, `x`, is no number; the line is `3,x`"),
            ("csv = 1", "a,b\n1,2\n", "column 1 of row 1 of line 1, `a`, is no number; the line is `a,b`"),
        ] {
            assert_eq!(fails(reading, text), expected);
        }
        assert!(refuses("csv = 1\ndelimiter = \"§\"").contains("is not ASCII"));
        assert!(refuses("csv = 1\ncomma = true").contains("is it `;`?"));
    }
}
