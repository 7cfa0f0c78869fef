//! Templates of PEST (`ptf ~`): a parameter's field is its name between delimiters, and as wide as all of that.

use super::target::Target;
use super::text::{Piece, Text};
use crate::diff::Decimal;
use crate::manifest::command::Pest;
use crate::schema::Node;
use crate::tree::{Pattern, Tree};

/// A template that has been read.
#[derive(Debug)]
pub(super) struct Layout {
    place: String,
    pieces: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Literal(Vec<u8>),
    Field { line: usize, width: u16, target: Target },
}

impl Layout {
    pub(super) fn parse(pest: &Pest, bytes: &[u8]) -> Result<Layout, String> {
        let place = pest.pest.display().to_string();
        let (head, body) = bytes.split_at(memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1));
        let mut words = head.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let delimiter = match (words.next(), words.next(), words.next()) {
            (Some(word), Some(&[delimiter]), None)
                if word.eq_ignore_ascii_case(b"ptf") || word.eq_ignore_ascii_case(b"jtf") =>
            {
                delimiter
            }
            _ => {
                let head = String::from_utf8_lossy(head.trim_ascii_end());
                return Err(format!(
                    "{place}:1: a template of PEST begins with `ptf` and a delimiter, such as `ptf ~`, not with '{head}'"
                ));
            }
        };
        let mut pieces = Vec::new();
        let mut problems = Vec::new();
        for (line, text) in body.split_inclusive(|&byte| byte == b'\n').enumerate().map(|(i, text)| (i + 2, text)) {
            let mut parts = text.split(|&byte| byte == delimiter).enumerate().peekable();
            while let Some((i, part)) = parts.next() {
                if i % 2 == 0 {
                    pieces.push(Part::Literal(part.to_vec()));
                    continue;
                }
                let name = String::from_utf8_lossy(part.trim_ascii()).into_owned();
                if parts.peek().is_none() {
                    problems.push(format!("{place}:{line}: a {} is left over", char::from(delimiter)));
                } else if name.is_empty() {
                    problems.push(format!("{place}:{line}: there is no name between delimiters"));
                } else {
                    // PEST knows no case.
                    let input = pest.parameters.iter().find(|(parameter, _)| parameter.eq_ignore_ascii_case(&name));
                    match Target::parse(input.map_or(&name, |(_, input)| input)) {
                        Ok(target) => {
                            pieces.push(Part::Field { line, width: (part.len() + 2).min(400) as u16, target })
                        }
                        Err(reason) => problems.push(format!("{place}:{line}: {name}: {reason}")),
                    }
                }
            }
        }
        if problems.is_empty() { Ok(Layout { place, pieces }) } else { Err(problems.join("\n")) }
    }

    pub(super) fn check(&self, inputs: &Node) -> Vec<String> {
        let said = self.targets().filter_map(|(line, _, target)| {
            let reason = target.check(inputs).err()?;
            Some(format!("{}:{line}: {}: {reason}", self.place, target.name()))
        });
        said.collect()
    }

    pub(super) fn mentions(&self, pattern: &Pattern) -> bool {
        self.targets().any(|(_, _, target)| pattern.matches(target.path()))
    }

    pub(super) fn lay_out(&self, inputs: &Tree) -> Result<Text, String> {
        let mut text = Text::default();
        let mut problems = Vec::new();
        for part in &self.pieces {
            match part {
                Part::Literal(bytes) => text.literal(bytes),
                Part::Field { line, width, target } => {
                    match target.single(inputs).map(|value| value.piece(Decimal::fill(*width))) {
                        Ok(Piece::Literal(word)) if word.len() > usize::from(*width) => problems.push(format!(
                            "{}:{line}: {}: {} does not fit {width} columns",
                            self.place,
                            target.name(),
                            String::from_utf8_lossy(&word)
                        )),
                        Ok(Piece::Literal(word)) => {
                            text.literal(&vec![b' '; usize::from(*width) - word.len()]);
                            text.literal(&word);
                        }
                        Ok(field) => text.push(field),
                        Err(reason) => problems.push(format!("{}:{line}: {}: {reason}", self.place, target.name())),
                    }
                }
            }
        }
        if problems.is_empty() { Ok(text) } else { Err(problems.join("\n")) }
    }

    fn targets(&self) -> impl Iterator<Item = (usize, u16, &Target)> {
        self.pieces.iter().filter_map(|part| match part {
            Part::Field { line, width, target } => Some((*line, *width, target)),
            Part::Literal(_) => None,
        })
    }
}
