//! The way through a signature's tokens, and the expressions on it.

use super::expression::{Expression, Operator};
use super::lexer::{Mistake, Token};
use super::prototype::Language;

/// A name in an expression, and its column.
pub(super) type Named = (String, usize);

/// The tokens, and which is next.
pub(super) struct Cursor {
    pub(super) tokens: Vec<(Token, usize)>,
    pub(super) at: usize,
    /// The column behind the last of them.
    pub(super) end: usize,
    pub(super) language: Language,
}

impl Cursor {
    /// An expression.
    pub(super) fn sum(&mut self) -> Result<Expression<Named>, Mistake> {
        let mut left = self.product()?;
        loop {
            let operator = match self.peek() {
                Some(Token::Sign('+')) => Operator::Add,
                Some(Token::Sign('-')) => Operator::Subtract,
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expression::Binary(operator, Box::new(left), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Result<Expression<Named>, Mistake> {
        let mut left = self.atom()?;
        loop {
            let operator = match self.peek() {
                Some(Token::Sign('*')) => Operator::Multiply,
                Some(Token::Sign('/')) => Operator::Divide,
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expression::Binary(operator, Box::new(left), Box::new(self.atom()?));
        }
    }

    fn atom(&mut self) -> Result<Expression<Named>, Mistake> {
        if self.take('-') {
            return Ok(match self.atom()? {
                Expression::Number(number) => Expression::Number(-number),
                other => Expression::Binary(Operator::Subtract, Box::new(Expression::Number(0)), Box::new(other)),
            });
        }
        if self.take('(') {
            let inside = self.sum()?;
            self.expect(')', "in an expression")?;
            return Ok(inside);
        }
        let column = self.column();
        match self.peek().cloned() {
            Some(Token::Integer(number)) => {
                self.at += 1;
                Ok(Expression::Number(number))
            }
            Some(Token::Word(word)) => {
                self.at += 1;
                let operator = match word.to_ascii_lowercase().as_str() {
                    "max" => Operator::Max,
                    "min" => Operator::Min,
                    _ => return Ok(Expression::Name((word, column))),
                };
                if !self.take('(') {
                    return Ok(Expression::Name((word, column)));
                }
                let left = self.sum()?;
                self.expect(',', "between the two of which one is taken")?;
                let right = self.sum()?;
                self.expect(')', "in an expression")?;
                Ok(Expression::Binary(operator, Box::new(left), Box::new(right)))
            }
            _ => Err(self.mistake("expected a whole number, a name, or an expression such as 2*n")),
        }
    }

    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    /// The word that comes next, if it is one.
    pub(super) fn here(&self) -> Option<String> {
        match self.peek() {
            Some(Token::Word(word)) => Some(word.clone()),
            _ => None,
        }
    }

    pub(super) fn column(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |(_, column)| *column)
    }

    pub(super) fn is_sign(&self, sign: char) -> bool {
        self.peek() == Some(&Token::Sign(sign))
    }

    pub(super) fn is_word(&self, known: &str) -> bool {
        let fortran = self.language == Language::Fortran;
        matches!(self.peek(), Some(Token::Word(word)) if word == known || (fortran && word.eq_ignore_ascii_case(known)))
    }

    pub(super) fn take(&mut self, sign: char) -> bool {
        let found = self.is_sign(sign);
        self.at += usize::from(found);
        found
    }

    pub(super) fn take_word(&mut self, known: &str) -> bool {
        let found = self.is_word(known);
        self.at += usize::from(found);
        found
    }

    pub(super) fn word(&mut self, what: &str) -> Result<Named, Mistake> {
        let column = self.column();
        match self.here() {
            Some(word) => {
                self.at += 1;
                Ok((word, column))
            }
            None => Err(self.mistake(format!("expected {what}{}", self.found()))),
        }
    }

    pub(super) fn expect(&mut self, sign: char, what: &str) -> Result<(), Mistake> {
        if self.take(sign) {
            return Ok(());
        }
        Err(self.mistake(format!("expected '{sign}' {what}{}", self.found())))
    }

    pub(super) fn found(&self) -> String {
        self.peek().map_or_else(|| ", and the signature ends".to_owned(), |token| format!(", found {token}"))
    }

    pub(super) fn mistake(&self, message: impl Into<String>) -> Mistake {
        Mistake { column: self.column(), message: message.into() }
    }

    /// Up to the comma or bracket that ends the argument which begins here.
    pub(super) fn skip_argument(&mut self) {
        let mut depth = 0;
        while let Some(token) = self.peek() {
            let intent = matches!(self.tokens.get(self.at + 1), Some((Token::Word(word), _)) if word.eq_ignore_ascii_case("intent"));
            match token {
                Token::Sign('(') => depth += 1,
                Token::Sign(')') if depth == 0 => return,
                Token::Sign(')') => depth -= 1,
                Token::Sign(',') if depth == 0 && !intent => return,
                _ => {}
            }
            self.at += 1;
        }
    }
}
