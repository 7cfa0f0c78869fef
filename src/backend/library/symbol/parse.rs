//! From a signature's text to its arguments as they are written. Who is whose length is for `resolve`.

use super::cursor::{Cursor, Named};
use super::expression::Expression;
use super::lexer::{Mistake, Token, tokens};
use super::prototype::Language;
use super::words::Type;
use crate::tree::{DType, Kind};

/// A signature as it is written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) language: Language,
    pub(super) arguments: Vec<WrittenArgument>,
    pub(super) result: Option<WrittenResult>,
}

#[derive(Debug)]
pub(super) struct WrittenArgument {
    pub(super) column: usize,
    pub(super) name: String,
    pub(super) dtype: DType,
    pub(super) dims: Vec<Expression<Named>>,
    pub(super) by_value: bool,
    pub(super) direction: Option<Direction>,
    pub(super) work: bool,
    pub(super) status: bool,
    /// The name it has among the outputs.
    pub(super) output: Option<String>,
    pub(super) value: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    In,
    Out,
    InOut,
}

/// What stands behind `=`.
#[derive(Debug)]
pub(super) enum Value {
    Integer(Expression<Named>),
    Real(f64),
    Text(Vec<u8>),
    Null,
}

#[derive(Debug)]
pub(super) struct WrittenResult {
    pub(super) column: usize,
    pub(super) dtype: DType,
    pub(super) output: Option<String>,
    pub(super) status: bool,
}

/// Reads the signature of `function`; what is wrong is kept, and the rest read all the same.
pub(super) fn parse(text: &str, function: &str, mistakes: &mut Vec<Mistake>) -> Option<Written> {
    let (tokens, end, unknown) = tokens(text);
    mistakes.extend(unknown);
    let is_fortran = |token: &Token| matches!(token, Token::Word(word) if ["subroutine", "function"].iter().any(|known| word.eq_ignore_ascii_case(known)));
    let language = if tokens.iter().any(|(token, _)| is_fortran(token)) { Language::Fortran } else { Language::C };
    let mut parser = Cursor { tokens, at: 0, end, language };
    match parser.signature(function, mistakes) {
        Ok(written) => Some(written),
        Err(mistake) => {
            mistakes.push(mistake);
            None
        }
    }
}

impl Cursor {
    fn signature(&mut self, function: &str, mistakes: &mut Vec<Mistake>) -> Result<Written, Mistake> {
        let mut result = self.result(mistakes)?;
        if let (Some(Token::Word(name)), column) = (self.peek().cloned(), self.column()) {
            self.at += 1;
            let same =
                if self.language == Language::C { name == function } else { name.eq_ignore_ascii_case(function) };
            if !same {
                let message = format!("the function is called {name} here, and {function} by `fn`");
                mistakes.push(Mistake { column, message });
            }
        }
        self.expect('(', "and the arguments")?;
        let mut arguments = Vec::new();
        let nothing =
            self.is_word("void") && self.tokens.get(self.at + 1).is_some_and(|next| next.0 == Token::Sign(')'));
        self.at += usize::from(nothing);
        while !self.take(')') {
            let start = self.at;
            match self.argument() {
                Ok(argument) => arguments.push(argument),
                Err(mistake) => {
                    mistakes.push(mistake);
                    self.at = start;
                    self.skip_argument();
                }
            }
            if !self.is_sign(')') {
                self.expect(',', "or ')' after an argument")?;
            }
        }
        if self.language == Language::Fortran && self.take_word("result") {
            self.expect('(', "and the name of the result")?;
            let (name, _) = self.word("the name of the result")?;
            self.expect(')', "after the name of the result")?;
            if let Some(result) = result.as_mut().filter(|result| !result.status) {
                result.output = Some(name);
            }
        }
        let _ = self.take(';');
        match self.peek() {
            None => Ok(Written { language: self.language, arguments, result }),
            Some(token) => Err(self.mistake(format!("{token} stands behind the end of the signature"))),
        }
    }

    /// What stands before the function's name: `y = double`, `status int`, `void`, `subroutine`, `real(8) function`.
    fn result(&mut self, mistakes: &mut Vec<Mistake>) -> Result<Option<WrittenResult>, Mistake> {
        let named = self.tokens.get(self.at + 1).is_some_and(|next| next.0 == Token::Sign('='));
        let output = if named { Some(self.word("the name of the result")?.0) } else { None };
        let _ = self.take('=');
        let status = self.take_word("status");
        let column = self.column();
        if self.language == Language::Fortran && self.take_word("subroutine") {
            if output.is_some() || status {
                mistakes.push(Mistake { column, message: "a subroutine returns nothing".to_owned() });
            }
            return Ok(None);
        }
        if self.language == Language::Fortran && self.is_word("function") {
            return Err(self.mistake("a function needs the type that it returns before it: real(8) function"));
        }
        let kind = self.type_of()?;
        if self.language == Language::Fortran && !self.take_word("function") {
            return Err(self.mistake("expected `function` behind its type"));
        }
        let Some(dtype) = kind.dtype else {
            let message = match (kind.text, output.is_some() || status) {
                (true, _) => "a function that returns characters cannot be called: have it write numbers",
                (false, true) => "void is no result: nothing is returned",
                (false, false) => return Ok(None),
            };
            return Err(Mistake { column, message: message.to_owned() });
        };
        if self.is_sign('*') {
            return Err(self.mistake(
                "a pointer that is returned leads to memory of unknown size: have it write to an `out` argument",
            ));
        }
        if dtype.is_complex() {
            let message = "a complex result cannot be returned: have it written to an `out` argument".to_owned();
            mistakes.push(Mistake { column, message });
        }
        if status && dtype.kind() != Kind::Integer {
            mistakes.push(Mistake { column, message: "a status is a whole number".to_owned() });
        }
        let output = (!status).then(|| output.unwrap_or_else(|| "result".to_owned()));
        Ok(Some(WrittenResult { column, dtype, output, status }))
    }

    fn argument(&mut self) -> Result<WrittenArgument, Mistake> {
        let (mut direction, mut work, mut status) = (None, false, false);
        loop {
            let word = self.here();
            match word.as_deref() {
                Some("in") => direction = Some(Direction::In),
                Some("out") => direction = Some(Direction::Out),
                Some("inout") => direction = Some(Direction::InOut),
                Some("work") => work = true,
                Some("status") => status = true,
                Some("const") if self.language == Language::C => {}
                _ => break,
            }
            self.at += 1;
        }
        let kind = self.type_of()?;
        let mut by_value = self.language == Language::C;
        if self.language == Language::C {
            while self.take_word("const") {}
            if self.take('*') {
                by_value = false;
            }
            while ["const", "restrict", "__restrict"].iter().any(|word| self.take_word(word)) {}
            if self.is_sign('*') {
                return Err(
                    self.mistake("a pointer to pointers cannot be made: an array of several dimensions is x[n][m]")
                );
            }
        } else {
            if let Some(intent) = self.intent()? {
                direction = Some(intent);
            }
            let _ = self.take(':');
        }
        let pointer = !by_value && self.language == Language::C;
        let (name, column) = self.word("the name of an argument")?;
        let dims = self.dims()?;
        if pointer && !dims.is_empty() {
            return Err(Mistake {
                column,
                message: format!("{name} is a pointer to pointers: leave out the * or the brackets"),
            });
        }
        by_value &= dims.is_empty();
        let output = if self.take_word("as") { Some(self.word("the output's name")?) } else { None };
        let value = if self.take('=') { Some(self.value(&kind, by_value)?) } else { None };
        let dtype = match (kind.dtype, &value) {
            (Some(dtype), _) => dtype,
            (None, Some(Value::Text(_) | Value::Null)) => DType::Int8,
            (None, _) if kind.text => {
                let message = format!("characters are no input: give {name} a value, as in character {name} = 'U'");
                return Err(Mistake { column, message });
            }
            (None, _) => {
                return Err(Mistake {
                    column: kind.column,
                    message: format!("{name} cannot be of type void, unless it is null"),
                });
            }
        };
        let output = output.map(|(name, _)| name);
        Ok(WrittenArgument { column, name, dtype, dims, by_value, direction, work, status, output, value })
    }

    /// `, intent(out)`.
    fn intent(&mut self) -> Result<Option<Direction>, Mistake> {
        let follows = self.is_sign(',')
            && matches!(self.tokens.get(self.at + 1), Some((Token::Word(word), _)) if word.eq_ignore_ascii_case("intent"));
        if !follows {
            return Ok(None);
        }
        self.at += 2;
        self.expect('(', "after intent")?;
        let column = self.column();
        let (mut word, _) = self.word("in, out or inout")?;
        if word.eq_ignore_ascii_case("in") && self.take_word("out") {
            word = "inout".to_owned();
        }
        let direction = match word.to_ascii_lowercase().as_str() {
            "in" => Direction::In,
            "out" => Direction::Out,
            "inout" => Direction::InOut,
            _ => return Err(Mistake { column, message: format!("intent({word}) is none of in, out and inout") }),
        };
        self.expect(')', "after the intent")?;
        Ok(Some(direction))
    }

    fn dims(&mut self) -> Result<Vec<Expression<Named>>, Mistake> {
        let mut dims = Vec::new();
        if self.language == Language::C {
            while self.take('[') {
                dims.push(self.length(']')?);
                self.expect(']', "after a length")?;
            }
        } else if self.take('(') {
            loop {
                dims.push(self.length(')')?);
                if self.take(')') {
                    break;
                }
                self.expect(',', "or ')' after a length")?;
            }
        }
        Ok(dims)
    }

    fn length(&mut self, closing: char) -> Result<Expression<Named>, Mistake> {
        if self.is_sign(closing) || self.is_sign('*') || self.is_sign(':') {
            return Err(self.mistake("how long is it? A length is a number, a name, or an expression such as 2*n"));
        }
        self.sum()
    }

    fn value(&mut self, kind: &Type, by_value: bool) -> Result<Value, Mistake> {
        let column = self.column();
        let wrong = |message: &str| Err(Mistake { column, message: message.to_owned() });
        let null = self.here().is_some_and(|word| word.eq_ignore_ascii_case("null"));
        if null {
            self.at += 1;
            return if by_value { wrong("only a pointer can be null") } else { Ok(Value::Null) };
        }
        if let Some(Token::Text(text, quote)) = self.peek().cloned() {
            self.at += 1;
            return match (self.language, kind.text, by_value) {
                (_, false, _) => wrong("a text can only be given to characters"),
                (Language::Fortran, ..) => Ok(Value::Text(text.into_bytes())),
                (Language::C, true, false) => Ok(Value::Text([text.as_bytes(), b"\0"].concat())),
                (Language::C, true, true) if quote == '\'' && text.len() == 1 => {
                    Ok(Value::Integer(Expression::Number(i64::from(text.as_bytes()[0]))))
                }
                (Language::C, true, true) => wrong("a char is one character, as in 'U'"),
            };
        }
        for (word, number) in [(".true.", 1), (".false.", 0), ("true", 1), ("false", 0)] {
            if self.take_word(word) {
                return Ok(Value::Integer(Expression::Number(number)));
            }
        }
        if kind.dtype.is_some_and(|dtype| dtype.kind() == Kind::Float) {
            let negative = self.take('-');
            let number = match self.peek() {
                Some(Token::Integer(number)) => *number as f64,
                Some(Token::Real(number)) => *number,
                _ => return Err(self.mistake("expected a number")),
            };
            self.at += 1;
            return Ok(Value::Real(if negative { -number } else { number }));
        }
        self.sum().map(Value::Integer)
    }
}
