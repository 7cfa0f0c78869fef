//! From an example of what a program left to readings of the numbers in it: a proposal for a person to go through.

use std::collections::HashSet;

use indexmap::IndexMap;
use memchr::memmem;
use serde_json::Value;

use super::number::number;
use super::text::{Lines, is_separator};
use super::{Found, Reader};
use crate::manifest::command::{Anchor, ArrayText, Column, Csv, JsonValue, Nth, NumbersOf, Read, Reading};

/// A person reads no more.
const MOST: usize = 50;

/// Of a longer text only the beginning is an example.
const LONGEST: usize = 1 << 20;

/// A reading that is proposed.
pub(crate) struct Proposal {
    /// Made of the words beside it.
    pub(crate) name: String,
    /// Where the numbers are.
    pub(crate) read: Read,
    /// What it reads of the example.
    pub(crate) numbers: Vec<f64>,
    /// Their shape in the text: of one number none.
    pub(crate) shape: Vec<usize>,
}

/// Proposes readings, in the order of the text, each with a name made of the words beside it: of a JSON document every
/// number and array of numbers, of comma-separated values every column, of a text of numbers alone all of them, else
/// what follows words on their line. Whole numbers among words are left out: they count or date things.
///
/// `from` is the file, or `stdout` or `stderr`. Every reading that is proposed reads this text.
pub(crate) fn infer(from: &str, text: &[u8]) -> Vec<Proposal> {
    let text = &text[..text.len().min(LONGEST)];
    let mut proposals = Proposals { from, text, names: HashSet::new(), readings: Vec::new() };
    if let Ok(document) = serde_json::from_slice::<Value>(text)
        && (document.is_object() || document.is_array())
    {
        proposals.json(&document, "");
    } else if !proposals.csv() && !proposals.array() {
        proposals.lines();
    }
    proposals.readings
}

struct Proposals<'a> {
    from: &'a str,
    text: &'a [u8],
    names: HashSet<String>,
    readings: Vec<Proposal>,
}

impl Proposals<'_> {
    /// Adds a reading, if it reads the text, and the value that is expected.
    fn add(&mut self, words: &str, comma: bool, reading: Reading, expected: Option<f64>) -> bool {
        let read = Read { from: self.from.to_owned(), comma, reading };
        let mut found = Found::new(self.text.len());
        let reader = Reader::load(&read, std::path::Path::new(""));
        let reads = reader.and_then(|reader| reader.read(self.text, &mut found)).is_ok();
        if !reads || self.readings.len() == MOST || expected.is_some_and(|value| found.numbers != [value]) {
            return false;
        }
        let name = self.name(words);
        self.readings.push(Proposal { name, read, numbers: found.numbers, shape: found.shape });
        true
    }

    /// A name that is not given yet.
    fn name(&mut self, words: &str) -> String {
        let plain = snake_case(words);
        let numbered = (2..).map(|count| format!("{plain}_{count}"));
        let name = std::iter::once(plain.clone()).chain(numbered).find(|name| !self.names.contains(name));
        let name = name.unwrap_or(plain);
        self.names.insert(name.clone());
        name
    }

    fn json(&mut self, value: &Value, pointer: &str) {
        let token = |key: &str| format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
        match value {
            _ if self.readings.len() == MOST => {}
            Value::Object(fields) => fields.iter().for_each(|(key, value)| self.json(value, &token(key))),
            Value::Number(_) | Value::Array(_) => {
                let reading = Reading::Json(JsonValue { json: pointer.to_owned() });
                // An array that is not all numbers has elements that are.
                let words = pointer.replace("~1", "/");
                if !self.add(&words, false, reading, None)
                    && let Value::Array(elements) = value
                {
                    elements.iter().zip(0..).for_each(|(value, index)| self.json(value, &token(&format!("{index}"))));
                }
            }
            _ => {}
        }
    }

    /// Columns with names, if there are some.
    fn csv(&mut self) -> bool {
        let mut lines = Lines::of(self.text).map(|line| line.text).filter(|line| !line.trim_ascii().is_empty());
        let (Some(header), Some(first)) = (lines.next(), lines.next()) else { return false };
        let row = if lines.next().is_some() { Nth::All } else { Nth::First(1) };
        let count = |line: &[u8], delimiter: u8| line.iter().filter(|byte| **byte == delimiter).count();
        let mut delimiters = [b';', b'\t', b','].into_iter();
        let alike =
            |delimiter: &u8| count(header, *delimiter) > 0 && count(header, *delimiter) == count(first, *delimiter);
        let Some(delimiter) = delimiters.find(alike) else { return false };
        let header = String::from_utf8_lossy(header.strip_prefix(b"\xef\xbb\xbf").unwrap_or(header)).into_owned();
        for name in header.split(char::from(delimiter)).map(|name| name.trim().trim_matches('"')) {
            // A number heads no column.
            if name.is_empty() || number(name.as_bytes(), false).is_ok() {
                return false;
            }
            let csv = || Csv { csv: Column::Name(name.to_owned()), row, delimiter: char::from(delimiter) };
            let _ = self.add(name, false, Reading::Csv(csv()), None)
                || (delimiter != b',' && self.add(name, true, Reading::Csv(csv()), None));
        }
        !self.readings.is_empty()
    }

    /// All numbers, if there is nothing else.
    fn array(&mut self) -> bool {
        self.add("values", false, Reading::Array(NumbersOf { array: ArrayText::Text, skip: 0, comment: None }), None)
    }

    /// Numbers after words.
    fn lines(&mut self) {
        let mut labels: IndexMap<&[u8], Vec<Labelled>> = IndexMap::new();
        let mut start = 0;
        for line in self.text.split(|byte| *byte == b'\n') {
            label_numbers(line, start, &mut labels);
            start += line.len() + 1;
        }
        for (label, numbers) in labels {
            if self.readings.len() == MOST {
                return;
            }
            let words = String::from_utf8_lossy(label).into_owned();
            let Some(last) = numbers.last().map(|number| number.anchor) else { continue };
            let starts: Vec<usize> = memmem::find_iter(self.text, label).collect();
            let Some(index) = starts.iter().position(|start| *start == last) else { continue };
            // What is printed again and again is wanted when it is printed last.
            let is_repeated = numbers[0].anchor != last;
            let occurrence = if is_repeated { Nth::Last(starts.len() - index) } else { Nth::First(index + 1) };
            let of_last: Vec<&Labelled> = numbers.iter().filter(|number| number.anchor == last).collect();
            for number in &of_last {
                let anchor = Anchor { anchor: words.clone(), occurrence, row: 0, field: number.field };
                let name = if of_last.len() > 1 { format!("{words} {}", number.field) } else { words.clone() };
                self.add(&name, false, Reading::Anchor(anchor), Some(number.value));
            }
        }
    }
}

/// A number after a label.
struct Labelled {
    /// Where the label begins.
    anchor: usize,
    field: usize,
    value: f64,
}

/// Finds the numbers of a line that begins at `start`, and the words before each.
fn label_numbers<'a>(line: &'a [u8], start: usize, labels: &mut IndexMap<&'a [u8], Vec<Labelled>>) {
    let separates = |byte: u8| is_separator(byte, false) || matches!(byte, b'=' | b':');
    // Where the label begins and ends, and how many fields came after it.
    let mut label: Option<(usize, usize)> = None;
    let mut field = 0;
    let mut at = 0;
    while let Some(begin) = line[at..].iter().position(|byte| !separates(*byte)).map(|blanks| at + blanks) {
        let end = line[begin..].iter().position(|byte| separates(*byte)).map_or(line.len(), |length| begin + length);
        let word = &line[begin..end];
        match (number(word, false), label) {
            (Ok(number), Some((from, to))) => {
                field += 1;
                if word.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E' | b'd' | b'D')) {
                    let number = Labelled { anchor: start + from, field, value: number.value };
                    labels.entry(&line[from..to]).or_default().push(number);
                }
            }
            (Ok(_), None) => {}
            (Err(_), Some((from, _))) if field == 0 && !is_a_gap(&line[at..begin]) => label = Some((from, end)),
            (Err(_), _) if word.iter().any(u8::is_ascii_alphabetic) => {
                label = Some((begin, end));
                field = 0;
            }
            // Dots that lead to a number, and the like.
            (Err(_), Some((from, _))) if field == 0 => label = Some((from, end)),
            (Err(_), _) => label = None,
        }
        at = end;
    }
}

/// Whether words on both sides of it are no one label.
fn is_a_gap(between: &[u8]) -> bool {
    between.iter().any(|byte| matches!(byte, b',' | b'=' | b':'))
}

/// `TOTAL MASS (KG)` is `total_mass_kg`.
fn snake_case(words: &str) -> String {
    const CHARACTERS: usize = 40;
    let mut name = String::new();
    for c in words.chars().filter(|c| *c != '\'') {
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_lowercase());
        } else if !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
    }
    name.truncate(CHARACTERS);
    let name = name.trim_matches('_');
    match name.as_bytes() {
        [] => "value".to_owned(),
        [b'0'..=b'9', ..] => format!("value_{name}"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Names and what their readings read.
    fn inferred(text: &str) -> Vec<(String, Vec<f64>)> {
        let read = |proposal: Proposal| {
            let mut found = Found::new(1000);
            Reader::load(&proposal.read, std::path::Path::new("")).unwrap().read(text.as_bytes(), &mut found).unwrap();
            assert_eq!((&found.numbers, &found.shape), (&proposal.numbers, &proposal.shape));
            (proposal.name, found.numbers)
        };
        infer("out.txt", text.as_bytes()).into_iter().map(read).collect()
    }

    fn check(text: &str, expected: &[(&str, &[f64])]) {
        let expected: Vec<(String, Vec<f64>)> =
            expected.iter().map(|(name, numbers)| ((*name).to_owned(), numbers.to_vec())).collect();
        assert_eq!(inferred(text), expected, "{text}");
    }

    #[test]
    fn words_name_the_numbers_that_follow_them() {
        let beam = "
 1
     B E A M   V E R S I O N   3.2
 NUMBER OF ELEMENTS =   16

 ITERATION   1   RESIDUAL =  0.1234E-01
 ITERATION   2   RESIDUAL =  0.5678E-05

   TOTAL MASS         12.345 KG
   MASS (KG): 1.0D+01
   CENTER OF GRAVITY  0.500  0.250  0.000
   MAX. DEFLECTION .........  -2.3457E-03
 FX= 1.50000, FY= -2.25000
";
        check(
            beam,
            &[
                ("b_e_a_m_v_e_r_s_i_o_n", &[3.2]),
                ("residual", &[5.678e-6]),
                ("total_mass", &[12.345]),
                ("mass_kg", &[10.0]),
                ("center_of_gravity_1", &[0.5]),
                ("center_of_gravity_2", &[0.25]),
                ("center_of_gravity_3", &[0.0]),
                ("max_deflection", &[-2.3457e-3]),
                ("fx", &[1.5]),
                ("fy", &[-2.25]),
            ],
        );
        check("alpha = 1.5\nalpha beta = 2.5\n", &[("alpha", &[1.5]), ("alpha_beta", &[2.5])]);
        check("CL 0.5  CD 0.01\n", &[("cl", &[0.5]), ("cd", &[0.01])]);
        check("Cl = 1.0\ncl = 2.0\n", &[("cl", &[1.0]), ("cl_2", &[2.0])]);
        check("2nd moment 1.5\n", &[("value_2nd_moment", &[1.5])]);
    }

    #[test]
    fn documents_and_columns_are_known_by_their_form() {
        let json = r#"{"a": 1.5, "b/c": {"d": [1, 2]}, "e": [{"f": 3}, "x"], "g": null, "h": [[1], [2, 3]]}"#;
        check(json, &[("a", &[1.5]), ("b_c_d", &[1.0, 2.0]), ("e_0_f", &[3.0]), ("h_0", &[1.0]), ("h_1", &[2.0, 3.0])]);
        check("time,mass,note\n0,1.5,a\n1,2.5,b\n", &[("time", &[0.0, 1.0]), ("mass", &[1.5, 2.5])]);
        check("zeit;masse\n0,5;1,5\n", &[("zeit", &[0.5]), ("masse", &[1.5])]);
        check("1 2\n3 4\n", &[("values", &[1.0, 2.0, 3.0, 4.0])]);
        check("1,2\n3,4\n", &[("values", &[1.0, 2.0, 3.0, 4.0])]);
        check("nothing here\n", &[]);
        check("", &[]);
    }

    #[test]
    fn there_are_no_more_than_a_person_reads() {
        let many: String = (0..200).map(|k| format!("x{k}_ = {k}.5\n")).collect();
        assert_eq!(inferred(&many).len(), MOST);
    }

    proptest! {
        #[test]
        fn whatever_is_proposed_reads(text in r"([a-c ]{0,3}|[0-9]\.[0-9]| = |\n|,|\{|\[)*") {
            inferred(&text);
        }
    }
}
