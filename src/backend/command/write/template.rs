//! Templates: `{{ x }}`, `{{ mesh.points[0][2] | fmt("%12.5e") }}`, loops and conditions of what does not vary.

use std::collections::BTreeSet;
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior};

use super::context::{self, CLOSE, OPEN, Watch};
use super::target::unknown;
use super::text::{Piece, Text};
use crate::schema::Node;
use crate::tree::{Pattern, PatternSegment, Segment, Tree};

/// Enough for millions of numbers, and soon spent by a loop that does not end.
const FUEL: u64 = 20_000_000;

const BUILT_IN: [&str; 5] = ["inputs", "range", "dict", "namespace", "debug"];

/// A template that has been read.
#[derive(Debug)]
pub(super) struct Template {
    environment: Environment<'static>,
    /// The file, or what else it is, for messages.
    place: String,
    text: String,
    delimiters: [String; 2],
}

impl Template {
    /// Reads a template; `place` is what messages call it.
    pub(super) fn parse(place: &str, text: &str, delimiters: Option<&[String; 2]>) -> Result<Template, String> {
        if let Some(line) = text.lines().position(|line| line.contains([OPEN, CLOSE])) {
            return Err(format!("{place}:{}: a control character, which no template may have", line + 1));
        }
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        environment.set_formatter(context::write);
        environment.add_filter("fmt", context::fmt);
        environment.add_filter("join", context::join);
        let default = ["{{".to_owned(), "}}".to_owned()];
        let delimiters = delimiters.unwrap_or(&default).clone();
        let [open, close] = delimiters.clone();
        // A line that only says what to do is no line of the text.
        let syntax = SyntaxConfig::builder()
            .variable_delimiters(open, close)
            .keep_trailing_newline(true)
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build();
        environment.set_syntax(syntax.map_err(|error| {
            format!(
                "{place}: the delimiters {} and {} cannot be told from others: {error}",
                delimiters[0], delimiters[1]
            )
        })?);
        if let Some(line) = compares_with_a_number(text, &delimiters) {
            return Err(format!(
                "{place}:{line}: compares with a number that has a point. A floating input must not be asked what it is, since \
                 what is made of the answer would not change when it does; whole numbers are compared with whole ones"
            ));
        }
        environment.add_template_owned("template", text.to_owned()).map_err(|error| at(place, &error))?;
        Ok(Template { environment, place: place.to_owned(), text: text.to_owned(), delimiters })
    }

    /// What can be said against it before there are inputs.
    pub(super) fn check(&self, inputs: &Node) -> Vec<String> {
        let Node::Struct { fields, .. } = inputs else { return Vec::new() };
        let strangers = self
            .names(false)
            .into_iter()
            .filter(|name| !fields.contains_key(name.as_str()) && !BUILT_IN.contains(&name.as_str()));
        let place = &self.place;
        let mut problems: Vec<String> =
            strangers.map(|name| format!("{place}: {}", unknown(&name, fields.keys().cloned()))).collect();
        problems.extend(self.left_over(|name| fields.contains_key(name)));
        problems
    }

    /// Whether a leaf may be written, as far as can be seen without inputs.
    pub(super) fn mentions(&self, pattern: &Pattern) -> bool {
        let steps: Vec<&str> = pattern
            .segments()
            .iter()
            .map_while(|segment| match segment {
                PatternSegment::Exactly(Segment::Field(name)) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        let names = self.names(true);
        names.iter().any(|name| {
            let mut named = name.split('.').peekable();
            named.next_if_eq(&"inputs");
            // Either may end first: the rest is a loop's or an index's.
            named.zip(&steps).all(|(a, b)| a == *b)
        })
    }

    pub(super) fn lay_out(&self, inputs: &Tree) -> Result<Text, String> {
        let place = &self.place;
        let watch = Arc::new(Watch::default());
        let context = context::context(inputs, &watch).map_err(|message| format!("{place}: {message}"))?;
        let template = self.environment.get_template("template").map_err(|error| at(place, &error))?;
        let rendered = template.render(context);
        let (fields, misused) = watch.take();
        if let Some(name) = misused {
            return Err(format!(
                "{place}: the template computes with {name}, or asks what it is. It is a floating number, which a text \
                 must say itself, since what is made of it would not change when it does: write {{{{ {name} }}}} or \
                 {{{{ {name} | fmt(\"%12.5e\") }}}}"
            ));
        }
        let rendered = rendered.map_err(|error| at(place, &error))?;
        let mut text = Text::default();
        let mut pieces = rendered.split(OPEN);
        text.literal(pieces.next().unwrap_or_default().as_bytes());
        for piece in pieces {
            let field = piece
                .split_once(CLOSE)
                .and_then(|(number, rest)| Some((fields.get(number.parse::<usize>().ok()?)?, rest)));
            let Some((field, rest)) = field else {
                return Err(format!("{place}: the template takes the text of a number apart; it may only be written"));
            };
            text.push(Piece::Field(field.clone()));
            text.literal(rest.as_bytes());
        }
        Ok(text)
    }

    fn names(&self, nested: bool) -> BTreeSet<String> {
        self.environment
            .get_template("template")
            .map(|template| template.undeclared_variables(nested).into_iter().collect())
            .unwrap_or_default()
    }

    /// Halves of delimiters beside the name of an input: `{ x }}` or, where the delimiters are others, `{{ x }}`.
    fn left_over(&self, known: impl Fn(&str) -> bool) -> Vec<String> {
        let [open, close] = &self.delimiters;
        // What is told to be literal may have them.
        if self.text.contains("endraw") {
            return Vec::new();
        }
        let mut found = Vec::new();
        let mut rest = self.text.as_str();
        loop {
            let (literal, after) = rest.split_once(open.as_str()).unwrap_or((rest, ""));
            let first = 1 + self.text[..self.text.len() - rest.len()].matches('\n').count();
            for (line, number) in literal.lines().zip(first..) {
                let is_beside = |delimiter: &str| {
                    line.match_indices(delimiter).any(|(at, _)| {
                        let word = |c: char| c.is_alphanumeric() || "_.[]".contains(c);
                        let before = line[..at].trim_end();
                        let before = &before[before.trim_end_matches(word).len()..];
                        let after = line[at + delimiter.len()..].trim_start();
                        let after = &after[..after.len() - after.trim_start_matches(word).len()];
                        [before, after].iter().any(|name| known(name.split(['.', '[']).next().unwrap_or_default()))
                    })
                };
                if let Some(delimiter) = [close.as_str(), "{{", "}}"].into_iter().find(|delimiter| is_beside(delimiter))
                {
                    found.push(format!(
                        "{}:{number}: a {delimiter} is left over beside the name of an input; values stand between {open} \
                         and {close}",
                        self.place
                    ));
                }
            }
            match after.split_once(close.as_str()) {
                Some((_, after)) => rest = after,
                None => return found,
            }
        }
    }
}

/// The line of a tag in which something is compared with a floating literal, if there is one. No number of the inputs is
/// equal to any, and the engine does not tell who asks.
fn compares_with_a_number(text: &str, [open, close]: &[String; 2]) -> Option<usize> {
    for (open, close) in [(open.as_str(), close.as_str()), ("{%", "%}")] {
        for (at, _) in text.match_indices(open) {
            let tag = text[at + open.len()..].split(close).next().unwrap_or_default();
            // Without what stands in quotes.
            let mut quote = None;
            let code: String = tag
                .chars()
                .filter(|&c| match quote {
                    Some(open) => {
                        if c == open {
                            quote = None;
                        }
                        false
                    }
                    None if c == '"' || c == '\'' => {
                        quote = Some(c);
                        false
                    }
                    None => true,
                })
                .collect();
            let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '.');
            let number = words
                .clone()
                .any(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains(['.', 'e', 'E']));
            let is_loop = words.clone().find(|word| !word.is_empty()) == Some("for");
            let compared = code.contains("==") || code.contains("!=") || (!is_loop && words.any(|word| word == "in"));
            if number && compared {
                return Some(1 + text[..at].matches('\n').count());
            }
        }
    }
    None
}

/// Where and why.
fn at(place: &str, error: &Error) -> String {
    let line = error.line().map_or(String::new(), |line| format!(":{line}"));
    match error.detail() {
        Some(detail) => format!("{place}{line}: {}: {detail}", error.kind()),
        None => format!("{place}{line}: {}", error.kind()),
    }
}
