//! A file that a program is given, made into a template: which of its numbers are inputs, and what they are called.

use std::collections::BTreeMap;
use std::ops::Range;

use regex::Regex;

/// More inputs than these nobody means.
const MOST: usize = 50;

/// Numbers in fields narrower than this are written as they are: so few columns would cost digits.
const NARROWEST: usize = 10;

/// A text with placeholders, and what they stood for.
pub(super) struct Deck {
    pub(super) template: String,
    /// Names and values, in order.
    pub(super) inputs: Vec<(String, f64)>,
}

impl Deck {
    /// Of a template: its placeholders, with the values they are given. The error names those without one.
    pub(super) fn of_template(text: &str, values: &BTreeMap<String, f64>) -> Result<Deck, String> {
        let placeholder = pattern(r"\{\{\s*([A-Za-z_]\w*)");
        let mut inputs: Vec<(String, f64)> = Vec::new();
        let mut missing = Vec::new();
        for found in placeholder.captures_iter(text) {
            let name = found[1].to_owned();
            match values.get(&name) {
                _ if inputs.iter().any(|(known, _)| *known == name) || missing.contains(&name) => {}
                Some(value) => inputs.push((name, *value)),
                None => missing.push(name),
            }
        }
        if missing.is_empty() {
            return Ok(Deck { template: text.to_owned(), inputs });
        }
        let wanted: Vec<_> = missing.iter().map(|name| format!("--set {name}=VALUE")).collect();
        Err(format!("its placeholders need values for an example run: {}", wanted.join(" ")))
    }

    /// Of a file as it is: the numbers that are marked, or else every one with a point, named after the word before it.
    pub(super) fn of_example(text: &str, marks: Vec<(String, Place)>, taken: &[String]) -> Result<Deck, String> {
        let mut places = marks;
        if places.is_empty() {
            let number = pattern(r"[-+]?(?:\d+\.\d*|\.\d+)(?:[eEdD][-+]?\d+)?");
            // The letter of an exponent is no word.
            let words = pattern(r"(?:^|[^\w.])([A-Za-z_]\w*)");
            let count = number.find_iter(text).count();
            if count > MOST {
                return Err(format!("it has {count} numbers with a point: say by --mark which are inputs"));
            }
            for found in number.find_iter(text) {
                let before = text[..found.start()].lines().next_back().unwrap_or_default();
                let on_this_line = !text[..found.start()].ends_with('\n');
                let word = words.captures_iter(if on_this_line { before } else { "" }).last();
                let word = word.map_or_else(|| format!("p{}", places.len() + 1), |word| word[1].to_lowercase());
                let is_new = |name: &String| !taken.contains(name) && !places.iter().any(|(other, _)| other == name);
                let name = (1..).map(|k| if k == 1 { word.clone() } else { format!("{word}_{k}") }).find(is_new);
                places.push((name.unwrap_or(word), Place { number: found.range(), field: None }));
            }
        }
        places.sort_by_key(|(_, place)| place.number.start);
        let (mut template, mut inputs, mut from) = (String::new(), Vec::new(), 0);
        for (name, Place { number: range, field }) in places {
            let token = text[range.clone()].trim();
            let value: f64 = token
                .replace(['d', 'D'], "e")
                .parse()
                .map_err(|_| format!("'{token}', which is to be {name}, is no number"))?;
            let (start, end, width) = match &field {
                Some(field) => (field.start, field.end, Some(field.len())),
                None => {
                    // Blanks before a number belong to its field, but for the one that separates it.
                    let before = text.get(from..range.start).unwrap_or_default();
                    let blanks = before.bytes().rev().take_while(|byte| *byte == b' ').count();
                    let start = range.start - blanks.saturating_sub(1);
                    (start, range.end, Some(range.end - start).filter(|width| *width >= NARROWEST))
                }
            };
            if start < from {
                return Err(format!("the place of {name} is that of another number too"));
            }
            template.push_str(&text[from..start]);
            template += &match width {
                Some(width) => format!("{{{{ {name} | fmt(\"{width}\") }}}}"),
                None => format!("{{{{ {name} }}}}"),
            };
            inputs.push((name, value));
            from = end;
        }
        template.push_str(&text[from..]);
        Ok(Deck { template, inputs })
    }
}

/// Where a number is, and the columns that are its own, where a mark says so by blanks beside it.
pub(super) struct Place {
    number: Range<usize>,
    field: Option<Range<usize>>,
}

/// The marks of each of these files, by name and text. A mark is one of the only file that has its place, or of the one it
/// names before it: `FILE:PLACE`.
pub(super) fn marked(
    marks: &[(String, String)],
    files: &[(&str, &str)],
    faults: &mut Vec<String>,
) -> Vec<Vec<(String, Place)>> {
    let mut marked: Vec<Vec<(String, Place)>> = files.iter().map(|_| Vec::new()).collect();
    for (name, place) in marks {
        let named = |file: &str| place.strip_prefix(file).and_then(|rest| rest.strip_prefix(':'));
        let is_named = files.iter().any(|(file, _)| named(file).is_some());
        let found = files.iter().enumerate().filter_map(|(at, (file, text))| match named(file) {
            Some(place) => Some((at, locate(text, place))),
            None if is_named => None,
            None => Some((at, locate(text, place))),
        });
        let (good, bad): (Vec<_>, Vec<_>) = found.partition(|(_, found)| found.is_ok());
        let mut fault = |what: String| faults.push(format!("--mark {name}={place}: {what}"));
        match (good.len(), bad.into_iter().next()) {
            (1, _) => {
                marked[good[0].0].extend(good.into_iter().filter_map(|(_, found)| Some((name.clone(), found.ok()?))))
            }
            (0, Some((at, Err(what)))) if files.len() == 1 || is_named => fault(format!("{}: {what}", files[at].0)),
            (0, _) => fault("it is in none of the files".to_owned()),
            _ => {
                let names: Vec<&str> = good.iter().map(|(at, _)| files[*at].0).collect();
                fault(format!("it is in {}: say which, as in {}:{place}", names.join(" and in "), names[0]));
            }
        }
    }
    marked
}

/// Where a mark is: LINE:FIRST-LAST, or the only place of a text.
fn locate(text: &str, place: &str) -> Result<Place, String> {
    if let Some(found) = pattern(r"^(\d+):(\d+)-(\d+)$").captures(place) {
        let number = |k: usize| found[k].parse::<usize>().map_err(|error| error.to_string());
        let (line, first, last) = (number(1)?, number(2)?, number(3)?);
        let start = match line {
            0 => None,
            1 => Some(0),
            _ => text.match_indices('\n').nth(line - 2).map(|(at, _)| at + 1),
        };
        let start = start.ok_or_else(|| format!("there is no line {line}"))?;
        let length = text[start..].lines().next().unwrap_or_default().len();
        if first == 0 || last < first || last > length || !text.is_char_boundary(start + first - 1) {
            return Err(format!("line {line} has the columns 1-{length}"));
        }
        let field = text.get(start + first - 1..start + last).ok_or("these columns cut a character apart")?;
        let (from, blanks) = (start + first - 1, field.len() - field.trim_start().len());
        let number = from + blanks..from + field.trim_end().len();
        let is_wider = field.trim().len() < field.len();
        return Ok(Place { number, field: is_wider.then_some(from..from + field.len()) });
    }
    let mut found = text.match_indices(place);
    match (found.next(), found.next()) {
        (Some((at, _)), None) => Ok(Place { number: at..at + place.len(), field: None }),
        (None, _) => Err("this text is not in the file".to_owned()),
        _ => Err("this text is in the file more than once: mark it by LINE:FIRST-LAST".to_owned()),
    }
}

fn pattern(expression: &str) -> Regex {
    Regex::new(expression).unwrap_or_else(|error| unreachable!("{expression}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_placeholders() {
        let text = "BEAM 3\nLENGTH = 2.50  LOAD = 1.0E+03\n   2.100000E+11 3.5\n";
        let deck = Deck::of_example(text, Vec::new(), &["load".to_owned()]).unwrap();
        assert_eq!(
            deck.template,
            "BEAM 3\nLENGTH = {{ length }}  LOAD = {{ load_2 }}\n {{ p3 | fmt(\"14\") }} {{ p4 }}\n"
        );
        let expected = [("length", 2.5), ("load_2", 1e3), ("p3", 2.1e11), ("p4", 3.5)];
        assert!(deck.inputs.iter().map(|(name, value)| (name.as_str(), *value)).eq(expected));
    }

    #[test]
    fn marks_are_found_by_columns_or_text() {
        let text = "GW 1 21 0 0 -0.25 0 0 0.25 0.001\n  10 20\n";
        let mark = |name: &str, place: &str| (name.to_owned(), place.to_owned());
        let deck = |marks: &[(String, String)], files: &[(&str, &str)]| {
            let mut faults = Vec::new();
            let marked = marked(marks, files, &mut faults);
            let decks = marked.into_iter().zip(files).map(|(marks, (_, text))| Deck::of_example(text, marks, &[]));
            let templates: Vec<String> = decks.map(|deck| deck.unwrap().template).collect();
            (templates.join("---\n"), faults.join("\n"))
        };
        let (template, _) = deck(&[mark("radius", "0.001"), mark("k", "2:3-4")], &[("deck", text)]);
        assert_eq!(template, "GW 1 21 0 0 -0.25 0 0 0.25 {{ radius }}\n {{ k }} 20\n");
        // Columns with blanks among them are a field.
        let (template, _) = deck(&[mark("a", "1:1-8"), mark("b", "1:9-16")], &[("deck", "    10.5   20.25    7.50\n")]);
        assert_eq!(template, "{{ a | fmt(\"8\") }}{{ b | fmt(\"8\") }}    7.50\n");
        let (_, faults) = deck(&[mark("a", "0.25"), mark("b", "9:1-2")], &[("deck", text)]);
        assert_eq!(
            faults,
            "--mark a=0.25: deck: this text is in the file more than once: mark it by LINE:FIRST-LAST\n\
             --mark b=9:1-2: deck: there is no line 9"
        );
        let two = [("a.in", "alpha 1.5 2.5\n"), ("b.in", "beta 3.5 2.5\n")];
        let (templates, faults) =
            deck(&[mark("a", "1.5"), mark("b", "b.in:2.5"), mark("c", "2.5"), mark("d", "7")], &two);
        assert_eq!(templates, "alpha {{ a }} 2.5\n---\nbeta 3.5 {{ b }}\n");
        assert_eq!(
            faults,
            "--mark c=2.5: it is in a.in and in b.in: say which, as in a.in:2.5\n--mark d=7: it is in none of the files"
        );
    }

    #[test]
    fn placeholders_want_values() {
        let error = Deck::of_template("{{ a }} {{ b | fmt('8') }} {{ a }}", &BTreeMap::new()).err().unwrap();
        assert_eq!(error, "its placeholders need values for an example run: --set a=VALUE --set b=VALUE");
    }
}
