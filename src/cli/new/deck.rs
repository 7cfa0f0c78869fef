//! A file that a program is given, made into a template: which of its numbers are inputs, and what they are called.

use std::collections::BTreeMap;

use regex::Regex;

/// More inputs than these nobody goes through.
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
    pub(super) fn of_example(text: &str, marks: &[(String, String)], taken: &[String]) -> Result<Deck, String> {
        let mut places = Vec::new();
        let mut faults = Vec::new();
        for (name, place) in marks {
            match locate(text, place) {
                Ok(range) => places.push((name.clone(), range)),
                Err(fault) => faults.push(format!("--mark {name}={place}: {fault}")),
            }
        }
        if !faults.is_empty() {
            return Err(faults.join("\n"));
        }
        if marks.is_empty() {
            let number = pattern(r"[-+]?(?:\d+\.\d*|\.\d+)(?:[eEdD][-+]?\d+)?");
            // The letter of an exponent is no word.
            let words = pattern(r"(?:^|[^\w.])([A-Za-z_]\w*)");
            for found in number.find_iter(text).take(MOST) {
                let before = text[..found.start()].lines().next_back().unwrap_or_default();
                let on_this_line = !text[..found.start()].ends_with('\n');
                let word = words.captures_iter(if on_this_line { before } else { "" }).last();
                let word = word.map_or_else(|| format!("p{}", places.len() + 1), |word| word[1].to_lowercase());
                let is_new = |name: &String| !taken.contains(name) && !places.iter().any(|(other, _)| other == name);
                let name = (1..).map(|k| if k == 1 { word.clone() } else { format!("{word}_{k}") }).find(is_new);
                places.push((name.unwrap_or(word), found.range()));
            }
        }
        places.sort_by_key(|(_, range)| range.start);
        let (mut template, mut inputs, mut from) = (String::new(), Vec::new(), 0);
        for (name, range) in places {
            let token = text[range.clone()].trim();
            let value: f64 = token
                .replace(['d', 'D'], "e")
                .parse()
                .map_err(|_| format!("'{token}', which is to be {name}, is no number"))?;
            if range.start < from {
                return Err(format!("the place of {name} is that of another number too"));
            }
            // Blanks before a number belong to its field, but for the one that separates it.
            let blanks = text[from..range.start].bytes().rev().take_while(|byte| *byte == b' ').count();
            let start = range.start - blanks.saturating_sub(1);
            let width = range.end - start;
            template.push_str(&text[from..start]);
            template += &match width {
                NARROWEST.. => format!("{{{{ {name} | fmt(\"{width}\") }}}}"),
                _ => format!("{{{{ {name} }}}}"),
            };
            inputs.push((name, value));
            from = range.end;
        }
        template.push_str(&text[from..]);
        Ok(Deck { template, inputs })
    }
}

/// Where a mark is: LINE:FIRST-LAST, or the only place of a text.
fn locate(text: &str, place: &str) -> Result<std::ops::Range<usize>, String> {
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
        let blanks = field.len() - field.trim_start().len();
        return Ok(start + first - 1 + blanks..start + first - 1 + field.trim_end().len());
    }
    let mut found = text.match_indices(place);
    match (found.next(), found.next()) {
        (Some((at, _)), None) => Ok(at..at + place.len()),
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
        let deck = Deck::of_example(text, &[], &["load".to_owned()]).unwrap();
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
        let deck = Deck::of_example(text, &[mark("radius", "0.001"), mark("k", "2:3-4")], &[]).unwrap();
        assert_eq!(deck.template, "GW 1 21 0 0 -0.25 0 0 0.25 {{ radius }}\n {{ k }} 20\n");
        let error = Deck::of_example(text, &[mark("a", "0.25"), mark("b", "9:1-2")], &[]).err().unwrap();
        assert_eq!(
            error,
            "--mark a=0.25: this text is in the file more than once: mark it by LINE:FIRST-LAST\n\
             --mark b=9:1-2: there is no line 9"
        );
    }

    #[test]
    fn placeholders_want_values() {
        let error = Deck::of_template("{{ a }} {{ b | fmt('8') }} {{ a }}", &BTreeMap::new()).err().unwrap();
        assert_eq!(error, "its placeholders need values for an example run: --set a=VALUE --set b=VALUE");
    }
}
