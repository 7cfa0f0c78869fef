//! `dakota`: responses in a results file as Dakota reads it, and the gradients in it.
//!
//! A file has values, each with its label or without, gradients in `[ ]`, Hessians in `[[ ]]` and metadata; or it is a
//! JSON document with the objects `functions`, `gradients`, `hessians` and `metadata`. `fail` instead says that the
//! program could not evaluate the point.

use std::collections::HashMap;

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::found::Found;
use super::number::{Number, number};
use super::text::{extent, line_at, number_of, shown};
use crate::manifest::command::DakotaResults;

/// Responses, by their labels.
#[derive(Debug)]
pub(super) struct DakotaReading {
    labels: Vec<String>,
    places: HashMap<Vec<u8>, usize>,
    /// For files without labels, the place in the output of each response that the program writes.
    order: Vec<Option<usize>>,
}

/// Gradients as they are in a results file: a row for each response, in the file's order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Gradients {
    /// The labels of the responses, where the file has them.
    pub(crate) labels: Vec<String>,
    /// How many responses have a gradient.
    pub(crate) rows: usize,
    /// The length of each.
    pub(crate) columns: usize,
    /// Row by row.
    pub(crate) values: Vec<f64>,
}

impl DakotaReading {
    pub(super) fn load(dakota: &DakotaResults) -> Result<DakotaReading, String> {
        let labels = dakota.dakota.clone();
        let places: HashMap<Vec<u8>, usize> =
            labels.iter().zip(0..).map(|(label, place)| (label.clone().into_bytes(), place)).collect();
        if labels.is_empty() || places.len() < labels.len() {
            return Err("dakota: the labels of the responses, each once".to_owned());
        }
        let order = (0..labels.len()).map(Some).collect();
        Ok(DakotaReading { labels, places, order })
    }

    /// Says which responses the program writes, in order, for files without labels. Without this it writes those of
    /// the output alone.
    pub(super) fn order(&mut self, responses: &[String]) -> Result<(), String> {
        if let Some(label) = self.labels.iter().find(|label| !responses.contains(label)) {
            return Err(format!("dakota: the program is asked for {}, not for `{label}`", responses.join(", ")));
        }
        self.order = responses.iter().map(|label| self.places.get(label.as_bytes()).copied()).collect();
        Ok(())
    }

    pub(super) fn read(&self, text: &[u8], found: &mut Found) -> Result<(), String> {
        let mut seen = vec![false; self.labels.len()];
        for _ in &self.labels {
            found.push(Number { value: 0.0, quantum: 0.0 })?;
        }
        let mut count = 0;
        let mut has_labels = false;
        values(text, |label, number, place| {
            let index = match label {
                Some(label) => self.places.get(label).copied(),
                None => self.order.get(count).copied().flatten(),
            };
            if count > 0 && has_labels != label.is_some() {
                return Err(format!("{}: some values have labels and some have not", place()));
            }
            has_labels = label.is_some();
            count += 1;
            let Some(index) = index else { return Ok(()) };
            if std::mem::replace(&mut seen[index], true) {
                return Err(format!("{}: the response `{}` is there twice", place(), self.labels[index]));
            }
            found.numbers[index] = number.value;
            found.quanta[index] = number.quantum;
            Ok(())
        })?;
        if !has_labels && count != self.order.len() && count > 0 {
            return Err(format!("it has {count} values without labels, where {} were expected", self.order.len()));
        }
        if let Some(missing) = seen.iter().position(|seen| !seen) {
            return Err(format!("the response `{}` is not there; {}", self.labels[missing], extent(text)));
        }
        found.list();
        Ok(())
    }
}

/// The gradients in a results file, no more than `most` numbers of them.
///
/// # Errors
/// The point failed, the file is none of Dakota's, or its gradients differ in length.
pub(crate) fn gradients(text: &[u8], most: usize) -> Result<Gradients, String> {
    let mut gradients = Gradients::default();
    if is_json(text) {
        let results = parse_json(text)?;
        for (label, gradient) in &results.gradients {
            for value in gradient {
                gradients.push(json_number(value, label)?, most)?;
            }
            gradients.end_row(label)?;
            gradients.labels.push(label.clone());
        }
        return Ok(gradients);
    }
    values(text, |label, _, _| {
        if let Some(label) = label.filter(|_| gradients.labels.len() < most) {
            gradients.labels.push(String::from_utf8_lossy(label).into_owned());
        }
        Ok(())
    })?;
    let mut tokens = Tokens::of(text);
    let mut depth = 0;
    while let Some((at, token)) = tokens.next() {
        let place = || format!("line {}", line_at(text, at).number);
        match (depth, token) {
            (0, b"[" | b"[[") => depth = token.len(),
            (1, b"]") => {
                gradients.end_row(&place())?;
                depth = 0;
            }
            (2, b"]]") => depth = 0,
            (1, word) => gradients.push(number_of(word, false, "the gradient", || line_at(text, at))?.value, most)?,
            (2, b"[" | b"[[" | b"]") | (0, b"]" | b"]]") => {
                return Err(format!("{}: `{}` is not expected there", place(), shown(token)));
            }
            // Hessians are left out, and so are values and metadata.
            _ => {}
        }
    }
    if depth > 0 {
        return Err(format!("a bracket is not closed; {}", extent(text)));
    }
    Ok(gradients)
}

impl Gradients {
    fn push(&mut self, value: f64, most: usize) -> Result<(), String> {
        if self.values.len() == most {
            return Err(format!("it has more than {most} numbers in its gradients"));
        }
        self.values.push(value);
        Ok(())
    }

    fn end_row(&mut self, place: &str) -> Result<(), String> {
        let length = self.values.len() - self.rows * self.columns;
        if self.rows > 0 && length != self.columns {
            return Err(format!("{place}: a gradient of {length} numbers after one of {}", self.columns));
        }
        self.columns = length;
        self.rows += 1;
        Ok(())
    }
}

/// Tells the values before the first bracket, with their labels.
fn values(
    text: &[u8],
    mut tell: impl FnMut(Option<&[u8]>, Number, &dyn Fn() -> String) -> Result<(), String>,
) -> Result<(), String> {
    if is_json(text) {
        let results = parse_json(text)?;
        return results.functions.iter().try_for_each(|(label, value)| {
            let place = || "functions".to_owned();
            tell(Some(label.as_bytes()), json_parse(value, label)?, &place)
        });
    }
    let mut tokens = Tokens::of(text);
    let mut next = tokens.next();
    if next.is_some_and(|(_, word)| word.get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"fail"))) {
        return Err(format!("the program says that it failed: {}", extent(text)));
    }
    while let Some((at, word)) = next.filter(|(_, word)| !matches!(word, [b'[' | b']', ..])) {
        let line = || line_at(text, at);
        let value = number_of(word, false, "the value", line)?;
        next = tokens.next();
        // Labels do not look like numbers.
        let label = next.filter(|(_, word)| !matches!(word, [b'[' | b']', ..]) && !looks_like_a_number(word));
        if label.is_some() {
            next = tokens.next();
        }
        tell(label.map(|(_, label)| label), value, &|| format!("line {}", line().number))?;
    }
    Ok(())
}

/// `NaN` and `***` are no labels either.
fn looks_like_a_number(word: &[u8]) -> bool {
    number(word, false) != Err(super::NoNumber::Other)
}

/// Words, and brackets: one or two that open or close at once.
struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    fn of(text: &'a [u8]) -> Tokens<'a> {
        Tokens { text, at: 0 }
    }

    fn next(&mut self) -> Option<(usize, &'a [u8])> {
        let start = self.at + self.text[self.at..].iter().position(|byte| !byte.is_ascii_whitespace())?;
        let rest = &self.text[start..];
        let length = match rest {
            [b'[', b'[', ..] | [b']', b']', ..] => 2,
            [b'[' | b']', ..] => 1,
            _ => {
                // Brackets may touch numbers; in a label they are its own.
                let is_label = rest[0].is_ascii_alphabetic();
                let ends = |byte: &u8| byte.is_ascii_whitespace() || (!is_label && matches!(byte, b'[' | b']'));
                rest.iter().position(ends).unwrap_or(rest.len())
            }
        };
        self.at = start + length;
        Some((start, &rest[..length]))
    }
}

/// What is read of a document.
#[derive(Deserialize)]
struct Results<'a> {
    #[serde(borrow, default)]
    functions: IndexMap<String, &'a RawValue>,
    #[serde(borrow, default)]
    gradients: IndexMap<String, Vec<&'a RawValue>>,
    fail: Option<&'a RawValue>,
}

fn is_json(text: &[u8]) -> bool {
    text.trim_ascii_start().starts_with(b"{")
}

fn parse_json(text: &[u8]) -> Result<Results<'_>, String> {
    let results: Results = serde_json::from_slice(text).map_err(|error| {
        let line = super::text::Lines::of(text).nth(error.line().saturating_sub(1));
        format!("{error}: `{}`", line.map_or_else(String::new, |line| shown(line.text)))
    })?;
    if results.fail.is_some_and(|fail| fail.get().trim_matches('"').eq_ignore_ascii_case("true")) {
        return Err("the program says that it failed: \"fail\" is true".to_owned());
    }
    Ok(results)
}

fn json_parse(value: &RawValue, label: &str) -> Result<Number, String> {
    let text = value.get();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    number(text.as_bytes(), false).map_err(|error| format!("`{label}`, `{}`, {error}", shown(text.as_bytes())))
}

fn json_number(value: &RawValue, label: &str) -> Result<f64, String> {
    json_parse(value, &format!("gradients of {label}")).map(|number| number.value)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fails, loads_in, reads_list};
    use super::*;

    const BOTH: &str = "dakota = [\"f\", \"c[1]\"]";
    const RESULTS: &str = " 1.5E+01 f\n-2.5000\tc[1]\n[ 1.0 2.0]\n[3.0D+00 4.0 ]\n[[ 1 2\n2 3 ]]\n7.0 cpu_time\n";
    const JSON: &str = r#"{"functions": {"c[1]": -2.5, "f": "15.0"}, "gradients": {"f": [1, 2.0], "c[1]": ["3", 4]},
        "hessians": {"f": [[1, 2], [2, 3]]}, "metadata": {"cpu": 1}}"#;

    #[test]
    fn responses_are_found_by_their_labels() {
        reads_list(BOTH, RESULTS, &[15.0, -2.5]);
        reads_list("dakota = [\"c[1]\"]", RESULTS, &[-2.5]);
        reads_list(BOTH, JSON, &[15.0, -2.5]);
        reads_list(BOTH, "1.5\n2.5\n", &[1.5, 2.5]);
        reads_list(BOTH, "1.5 2.5 [1 2][3 4]", &[1.5, 2.5]);
    }

    #[test]
    fn responses_without_labels_are_in_the_order_of_all() {
        let mut reading = DakotaReading::load(&DakotaResults { dakota: vec!["b".to_owned()] }).unwrap();
        let mut found = Found::new(10);
        assert!(reading.read(b"1 2 3", &mut found).unwrap_err().contains("3 values without labels, where 1 were"));
        reading.order(&["a".to_owned(), "b".to_owned(), "c".to_owned()]).unwrap();
        found.clear();
        reading.read(b"1 2 3", &mut found).unwrap();
        assert_eq!(found.numbers, [2.0]);
        assert!(reading.order(&["a".to_owned()]).unwrap_err().contains("not for `b`"));
    }

    #[test]
    fn gradients_are_rows() {
        let expected = Gradients {
            labels: vec!["f".to_owned(), "c[1]".to_owned()],
            rows: 2,
            columns: 2,
            values: vec![1.0, 2.0, 3.0, 4.0],
        };
        assert_eq!(gradients(RESULTS.as_bytes(), 100).unwrap(), expected);
        assert_eq!(gradients(JSON.as_bytes(), 100).unwrap().values, expected.values);
        let bare = gradients(b"[1 2]\n[3 4]", 100).unwrap();
        assert_eq!((bare.rows, bare.labels.len(), bare.values), (2, 0, expected.values));
        assert_eq!(gradients(b"1 f 2 g", 100).unwrap().rows, 0);
        for (text, expected) in [
            ("[1 2]\n[3]", "line 2: a gradient of 1 numbers after one of 2"),
            ("[1 2", "a bracket is not closed; it has 1 lines, the last is `[1 2`"),
            ("[1 x]", "the gradient of line 1, `x]`, is no number; the line is `[1 x]`"),
            ("[1 nan ]", "the gradient of line 1, `nan`, is not finite; the line is `[1 nan ]`"),
            ("1 f ]", "line 1: `]` is not expected there"),
            ("FAILED", "the program says that it failed: it has 1 lines, the last is `FAILED`"),
            ("[1 2 3 4 5 6 7 8 9]", "it has more than 8 numbers in its gradients"),
        ] {
            assert_eq!(gradients(text.as_bytes(), 8).unwrap_err(), expected);
        }
    }

    #[test]
    fn anything_else_is_an_error() {
        for (text, expected) in [
            ("", "the response `f` is not there; it is empty"),
            ("Fail", "the program says that it failed: it has 1 lines, the last is `Fail`"),
            ("1 f 2 g", "the response `c[1]` is not there; it has 1 lines, the last is `1 f 2 g`"),
            ("1 f 2 c[1] 3 f", "line 1: the response `f` is there twice"),
            ("1 f 2", "line 1: some values have labels and some have not"),
            ("1 2 3", "it has 3 values without labels, where 2 were expected"),
            ("nan f 2 c[1]", "the value of line 1, `nan`, is not finite; the line is `nan f 2 c[1]`"),
            ("1 f\nx y", "the value of line 2, `x`, is no number; the line is `x y`"),
            (r#"{"fail": "true"}"#, "the program says that it failed: \"fail\" is true"),
            (r#"{"fail": true}"#, "the program says that it failed: \"fail\" is true"),
            (r#"{"functions": {"f": 1, "c[1]": null}}"#, "`c[1]`, `null`, is no number"),
        ] {
            assert_eq!(fails(BOTH, text), expected);
        }
        assert!(loads_in(&[], "dakota = [\"a\", \"a\"]").is_err());
    }
}
