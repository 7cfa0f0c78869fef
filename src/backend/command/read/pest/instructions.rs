//! An instruction file, parsed.

use indexmap::IndexSet;
use memchr::memmem::Finder;

use super::super::text::{Lines, shown};

/// A parsed instruction file.
#[derive(Debug)]
pub(super) struct Instructions {
    /// What is to be done.
    pub(super) steps: Vec<Step>,
    /// The observations in the order they are read, in lower case.
    pub(super) names: IndexSet<String>,
}

/// An instruction and where it comes from.
#[derive(Debug)]
pub(super) struct Step {
    /// The line of the instruction file.
    pub(super) line: usize,
    /// As it is written.
    pub(super) text: String,
    /// What is to be done.
    pub(super) instruction: Instruction,
}

/// An instruction.
#[derive(Debug)]
pub(super) enum Instruction {
    /// On to the next line with this text.
    Primary(Finder<'static>),
    /// On to this text in the rest of the line.
    Secondary(Finder<'static>),
    /// So many lines on.
    Advance(usize),
    /// Past the next blanks.
    Blanks,
    /// On to a column.
    Tab(usize),
    /// A number.
    Read {
        /// The observation, by its place among all; `None`: a dummy.
        observation: Option<usize>,
        /// Where the number is.
        place: Place,
    },
}

/// Where a number is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// In these columns.
    Fixed(usize, usize),
    /// Partly in these columns, between blanks.
    Touching(usize, usize),
    /// What comes next.
    Next,
}

impl Instructions {
    /// Parses a file. Errors name the line.
    pub(super) fn parse(text: &[u8]) -> Result<Instructions, String> {
        let mut instructions = Instructions { steps: Vec::new(), names: IndexSet::new() };
        let mut lines = Lines::of(text);
        let delimiter = delimiter(lines.next().map_or(&b""[..], |line| line.text))?;
        for line in lines {
            instructions
                .parse_line(line.number, line.text, delimiter)
                .map_err(|error| format!("line {}: {error}", line.number))?;
        }
        if instructions.names.is_empty() {
            return Err("it reads no observations".to_owned());
        }
        Ok(instructions)
    }

    fn parse_line(&mut self, line: usize, text: &[u8], delimiter: u8) -> Result<(), String> {
        let mut rest = text.trim_ascii();
        let mut is_first = true;
        if let Some(continued) = rest.strip_prefix(b"&") {
            if self.steps.is_empty() {
                return Err("there is no line before that `&` continues".to_owned());
            }
            rest = continued.trim_ascii_start();
            is_first = false;
        }
        while !rest.is_empty() {
            let length = if rest[0] == delimiter {
                let marker = &rest[1..];
                let end = marker.iter().position(|byte| *byte == delimiter);
                end.ok_or_else(|| format!("`{}` has no end", shown(rest)))? + 2
            } else {
                let ends = |byte: &u8| byte.is_ascii_whitespace() || *byte == delimiter;
                rest.iter().position(ends).unwrap_or(rest.len())
            };
            let (word, after) = rest.split_at(length);
            let shown_word = shown(word);
            let instruction = if word[0] == delimiter {
                let marker = &word[1..length - 1];
                if marker.is_empty() {
                    return Err(format!("`{shown_word}` is no marker: it is empty"));
                }
                let finder = Finder::new(marker).into_owned();
                if is_first { Instruction::Primary(finder) } else { Instruction::Secondary(finder) }
            } else {
                self.parse_word(word)?
            };
            if is_first && !matches!(instruction, Instruction::Primary(_) | Instruction::Advance(_)) {
                return Err(format!("a line begins with a marker, `l` or `&`, not with `{shown_word}`"));
            }
            is_first = false;
            self.steps.push(Step { line, text: shown_word, instruction });
            rest = after.trim_ascii_start();
        }
        Ok(())
    }

    fn parse_word(&mut self, word: &[u8]) -> Result<Instruction, String> {
        let unknown = || format!("`{}` is no instruction", shown(word));
        let text = str::from_utf8(word).map_err(|_| unknown())?;
        let count = |text: &str| text.parse().ok().filter(|count| *count > 0).ok_or_else(unknown);
        let mut letters = text.chars();
        let first = letters.next().map(|letter| letter.to_ascii_lowercase());
        let rest = letters.as_str();
        let (name, place) = match first {
            Some('l') => return Ok(Instruction::Advance(count(rest)?)),
            Some('t') => return Ok(Instruction::Tab(count(rest)?)),
            Some('w') if rest.is_empty() => return Ok(Instruction::Blanks),
            Some('!') => (rest.strip_suffix('!').ok_or_else(unknown)?, Place::Next),
            Some(bracket @ ('[' | '(')) => {
                let (name, columns) = rest.split_once(if bracket == '[' { ']' } else { ')' }).ok_or_else(unknown)?;
                let (from, to) = columns.split_once(':').ok_or_else(unknown)?;
                let (from, to) = (count(from)?, count(to)?);
                if to < from {
                    return Err(unknown());
                }
                (name, if bracket == '[' { Place::Fixed(from, to) } else { Place::Touching(from, to) })
            }
            _ => return Err(unknown()),
        };
        if name.is_empty() {
            return Err(unknown());
        }
        let name = name.to_lowercase();
        if name == "dum" {
            return Ok(Instruction::Read { observation: None, place });
        }
        let (index, is_new) = self.names.insert_full(name);
        if !is_new {
            return Err(format!("`{}` is read twice", self.names[index]));
        }
        Ok(Instruction::Read { observation: Some(index), place })
    }
}

/// What markers stand between: `pif @`.
fn delimiter(line: &[u8]) -> Result<u8, String> {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    match (words.next(), words.next(), words.next()) {
        (Some(kind), Some([delimiter]), None)
            if kind.eq_ignore_ascii_case(b"pif") || kind.eq_ignore_ascii_case(b"jif") =>
        {
            if delimiter.is_ascii_alphanumeric() || b"![](): &".contains(delimiter) {
                return Err(format!("line 1: `{}` cannot delimit markers", char::from(*delimiter)));
            }
            Ok(*delimiter)
        }
        _ => Err(format!("line 1: `pif` and a marker's delimiter were expected, found `{}`", shown(line))),
    }
}
