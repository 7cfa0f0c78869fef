//! A signature's text as tokens, each with its column.

use std::fmt;

/// Something wrong with a signature, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    /// Counted in characters, from 1.
    pub(super) column: usize,
    pub(super) message: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Word(String),
    Integer(i64),
    Real(f64),
    /// What stands between quotes, and which.
    Text(String, char),
    /// `(`, `*`, `,` and the like; `::` is `:`.
    Sign(char),
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Word(word) => write!(f, "'{word}'"),
            Token::Integer(number) => write!(f, "{number}"),
            Token::Real(number) => write!(f, "{number:?}"),
            Token::Text(text, quote) => write!(f, "{quote}{text}{quote}"),
            Token::Sign(sign) => write!(f, "'{sign}'"),
        }
    }
}

/// The tokens, and the column behind the last of them.
pub(super) fn tokens(text: &str) -> (Vec<(Token, usize)>, usize, Vec<Mistake>) {
    let characters: Vec<char> = text.chars().collect();
    let (mut found, mut mistakes) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < characters.len() {
        let start = at;
        let next = characters[at];
        let after = characters.get(at + 1).copied().unwrap_or(' ');
        let token = if next.is_whitespace() {
            at += 1;
            continue;
        } else if next.is_ascii_alphabetic() || next == '_' {
            at = end(&characters, at, |c| c.is_ascii_alphanumeric() || c == '_');
            Some(Token::Word(characters[start..at].iter().collect()))
        } else if next == '.' && after.is_ascii_alphabetic() {
            at = end(&characters, at + 1, |c| c.is_ascii_alphabetic());
            at = (at + usize::from(characters.get(at) == Some(&'.'))).min(characters.len());
            Some(Token::Word(characters[start..at].iter().collect()))
        } else if next.is_ascii_digit() || (next == '.' && after.is_ascii_digit()) {
            at = number_end(&characters, at);
            number(&characters[start..at].iter().collect::<String>())
        } else if next == '\'' || next == '"' {
            at = end(&characters, at + 1, |c| c != next);
            let closed = at < characters.len();
            let inside = characters[start + 1..at].iter().collect();
            at += usize::from(closed);
            closed.then_some(Token::Text(inside, next))
        } else {
            at += if next == ':' && after == ':' { 2 } else { 1 };
            "()[],*=+-/:;".contains(next).then_some(Token::Sign(next))
        };
        match token {
            Some(token) => found.push((token, start + 1)),
            None => {
                let text: String = characters[start..at].iter().collect();
                let message = match next {
                    '\'' | '"' => format!("the quote {next} is not closed"),
                    _ if next.is_ascii_digit() => format!("{text} is no number that can be held"),
                    _ => format!("'{text}' has no meaning here"),
                };
                mistakes.push(Mistake { column: start + 1, message });
            }
        }
    }
    (found, characters.len() + 1, mistakes)
}

fn end(characters: &[char], from: usize, belongs: impl Fn(char) -> bool) -> usize {
    characters[from..].iter().position(|&c| !belongs(c)).map_or(characters.len(), |length| from + length)
}

/// Digits, perhaps a point and digits, perhaps an exponent by `e` or Fortran's `d`.
fn number_end(characters: &[char], from: usize) -> usize {
    let digits = |from| end(characters, from, |c| c.is_ascii_digit());
    let mut at = digits(from);
    if characters.get(at) == Some(&'.') {
        at = digits(at + 1);
    }
    if characters.get(at).is_some_and(|c| "eEdD".contains(*c)) {
        let sign = usize::from(characters.get(at + 1).is_some_and(|c| "+-".contains(*c)));
        let exponent = digits(at + 1 + sign);
        if exponent > at + 1 + sign {
            at = exponent;
        }
    }
    at
}

fn number(text: &str) -> Option<Token> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Token::Integer);
    }
    text.replace(['d', 'D'], "e").parse().ok().filter(|number: &f64| number.is_finite()).map(Token::Real)
}
