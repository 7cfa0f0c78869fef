//! `table`: some columns of the rows that follow an anchor.

use super::anchor::{Search, next_line};
use super::found::Found;
use super::number::{NoNumber, Number, number};
use super::text::{fields, is_separator, line_at, shown};
use crate::manifest::command::{Nth, Table};

/// A table.
#[derive(Debug)]
pub(super) struct TableReading {
    /// `None`: it is at the beginning.
    search: Option<Search>,
    skip: usize,
    rows: Option<usize>,
    /// The fields that are read, from left to right, and the place of each in a row of the output.
    columns: Vec<(usize, usize)>,
    comma: bool,
}

/// What a line is.
enum Row {
    Numbers,
    /// There is none where numbers were expected.
    Other,
}

impl TableReading {
    pub(super) fn load(table: &Table, comma: bool) -> Result<TableReading, String> {
        if table.columns.is_empty() || table.columns.contains(&0) {
            return Err("columns: the fields of a row that are read, counted from 1".to_owned());
        }
        if table.rows == Some(0) {
            return Err("rows: a table has 1 at least".to_owned());
        }
        let search = match table.table.as_str() {
            "" if table.occurrence != Nth::default() => return Err("occurrence: of which text?".to_owned()),
            "" => None,
            anchor => Some(Search::load(anchor, table.occurrence)?),
        };
        let mut columns: Vec<(usize, usize)> = table.columns.iter().copied().zip(0..).collect();
        columns.sort_unstable();
        Ok(TableReading { search, skip: table.skip, rows: table.rows, columns, comma })
    }

    pub(super) fn read(&self, text: &[u8], found: &mut Found) -> Result<(), String> {
        match &self.search {
            None => self.read_one(text, Some(0), found).map(drop)?,
            Some(search) => search.each(text, |end| self.read_one(text, next_line(text, end), found))?,
        }
        found.shape.clear();
        found.shape.push(found.numbers.len() / self.columns.len());
        if self.columns.len() > 1 {
            found.shape.push(self.columns.len());
        }
        Ok(())
    }

    /// Reads the table whose first line, or the first that is left out, begins at `start`; says where it ends.
    fn read_one(&self, text: &[u8], start: Option<usize>, found: &mut Found) -> Result<usize, String> {
        let skipped = (0..self.skip).try_fold(start, |start, _| Some(next_line(text, start?)));
        let mut start = skipped.flatten().filter(|start| *start < text.len());
        let mut count = 0;
        while let Some(at) = start.filter(|_| self.rows != Some(count)) {
            match self.row(text, at, found)? {
                Row::Numbers => count += 1,
                Row::Other if self.rows.is_some() || count == 0 => {
                    let line = line_at(text, at);
                    return Err(format!(
                        "row {} of the table{}, line {}, has no numbers in its fields {}: `{}`",
                        count + 1,
                        self.place(),
                        line.number,
                        self.fields(),
                        shown(line.text)
                    ));
                }
                Row::Other => return Ok(at),
            }
            start = next_line(text, at);
        }
        match self.rows {
            Some(rows) if count < rows => Err(format!("the table{} ends after {count} rows, not {rows}", self.place())),
            None if count == 0 => Err(format!("the table{} has no rows: the text ends before them", self.place())),
            _ => Ok(start.unwrap_or(text.len())),
        }
    }

    /// Reads one row. Where some fields are numbers and others not it is neither a row nor the end of a table.
    fn row(&self, text: &[u8], start: usize, found: &mut Found) -> Result<Row, String> {
        let base = found.numbers.len();
        let (mut missing, mut bad) = (None, None);
        for _ in &self.columns {
            found.push(Number { value: 0.0, quantum: 0.0 })?;
        }
        let mut fields = fields(&text[start..], |byte| is_separator(byte, self.comma));
        let mut before = 0;
        let mut field = None;
        let mut numbers = 0;
        for (column, place) in &self.columns {
            if *column > before {
                field = fields.nth(column - before - 1);
                before = *column;
            }
            match field.map(|field| number(field, self.comma)) {
                Some(Ok(number)) => {
                    found.numbers[base + place] = number.value;
                    found.quanta[base + place] = number.quantum;
                    numbers += 1;
                }
                Some(Err(error @ (NoNumber::Stars | NoNumber::NotFinite | NoNumber::TooLarge))) => {
                    bad.get_or_insert((*column, error));
                }
                _ => _ = missing.get_or_insert(*column),
            }
        }
        let problem = match (missing, bad) {
            (None, None) => return Ok(Row::Numbers),
            (Some(_), _) if numbers == 0 => {
                found.numbers.truncate(base);
                found.quanta.truncate(base);
                return Ok(Row::Other);
            }
            (Some(column), _) => format!("has numbers, but none in field {column} (`rows` says where a table ends)"),
            (None, Some((column, error))) => format!("has a field {column} that {error}"),
        };
        let line = line_at(text, start);
        Err(format!("the table{}: line {} {problem}: `{}`", self.place(), line.number, shown(line.text)))
    }

    fn place(&self) -> String {
        self.search.as_ref().map_or_else(String::new, |search| format!(" after `{}`", search.anchor()))
    }

    fn fields(&self) -> String {
        let columns: Vec<String> = self.columns.iter().take(10).map(|(column, _)| column.to_string()).collect();
        columns.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fails, reads_list, reads_shape};

    const OUTPUT: &str = "\
 NODAL DISPLACEMENTS
 NODE        UX           UY
 ----  -----------  -----------
    1   1.0000E-03  -2.5000E-03
    2   2.0000E-03  -3.5000E-03

 NODAL DISPLACEMENTS
 NODE        UX           UY
 ----  -----------  -----------
    1   7.0000E-03   0.0000E+00
 END
";

    #[test]
    fn rows_are_read_until_there_are_no_more_numbers() {
        reads_shape(
            "table = \"NODAL DISPLACEMENTS\"\nskip = 2\ncolumns = [3, 2]",
            OUTPUT,
            &[-2.5e-3, 1e-3, -3.5e-3, 2e-3],
            &[2, 2],
        );
        reads_list("table = \"DISPL\"\nskip = 2\ncolumns = [2]\noccurrence = \"last\"", OUTPUT, &[7e-3]);
        reads_list("table = \"DISPL\"\nskip = 2\ncolumns = [2]\noccurrence = \"all\"", OUTPUT, &[1e-3, 2e-3, 7e-3]);
        reads_list("table = \"DISPL\"\nskip = 2\nrows = 1\ncolumns = [2]", OUTPUT, &[1e-3]);
        reads_list("table = \"\"\ncolumns = [1]", "1, 2\r\n3, 4\r\n", &[1.0, 3.0]);
        reads_shape("table = \"\"\ncolumns = [1, 1]\nrows = 1", "1 2\n3 4\n", &[1.0, 1.0], &[1, 2]);
        reads_shape("table = \"\"\ncolumns = [1, 2]", "1 2\n*****\n3 4\n", &[1.0, 2.0], &[1, 2]);
    }

    #[test]
    fn errors_say_where_the_table_broke() {
        for (reading, text, expected) in [
            ("table = \"STRESS\"\ncolumns = [1]", "a\n", "`STRESS` is not there; it has 1 lines, the last is `a`"),
            (
                "table = \"DISPL\"\ncolumns = [2]",
                OUTPUT,
                "row 1 of the table after `DISPL`, line 2, has no numbers in its fields 2: ` NODE        UX           UY`",
            ),
            (
                "table = \"DISPL\"\nskip = 2\nrows = 3\ncolumns = [2]",
                OUTPUT,
                "row 3 of the table after `DISPL`, line 6, has no numbers in its fields 2: ``",
            ),
            ("table = \"\"\nrows = 3\ncolumns = [1]", "1\n2\n", "the table ends after 2 rows, not 3"),
            (
                "table = \"DISPL\"\ncolumns = [1]",
                "DISPL",
                "the table after `DISPL` has no rows: the text ends before them",
            ),
            (
                "table = \"\"\ncolumns = [1, 3]",
                "1 2 3\n4 5\n",
                "the table: line 2 has numbers, but none in field 3 (`rows` says where a table ends): `4 5`",
            ),
            (
                "table = \"\"\ncolumns = [1, 2]",
                "1 2\n3 NaN\n",
                "the table: line 2 has a field 2 that is not finite: `3 NaN`",
            ),
            (
                "table = \"\"\ncolumns = [2]",
                "1 2\n3 ****\n",
                "the table: line 2 has a field 2 that is a number too wide for the columns it was printed in: `3 ****`",
            ),
        ] {
            assert_eq!(fails(reading, text), expected);
        }
    }
}
