//! The names of types, as C and Fortran have them.

use super::cursor::Cursor;
use super::lexer::{Mistake, Token};
use super::prototype::Language;
use crate::tree::DType;

/// A type as written.
pub(super) struct Type {
    /// None for `void`, and for `character`, of which there are only constants.
    pub(super) dtype: Option<DType>,
    /// Whether its elements are characters.
    pub(super) text: bool,
    pub(super) column: usize,
}

impl Cursor {
    /// The type that comes next.
    pub(super) fn type_of(&mut self) -> Result<Type, Mistake> {
        if self.language == Language::C { self.c_type() } else { self.fortran_type() }
    }

    fn c_type(&mut self) -> Result<Type, Mistake> {
        let column = self.column();
        let mut words = Vec::new();
        while let Some(word) = self.here().filter(|word| word == "const" || C_WORDS.contains(&&**word)) {
            self.at += 1;
            if word != "const" {
                words.push(word);
            }
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if words == ["void"] {
            return Ok(Type { dtype: None, text: false, column });
        }
        if let Some(dtype) = c_type(&words) {
            return Ok(Type { dtype: Some(dtype), text: words == ["char"], column });
        }
        let message = match self.peek() {
            Some(Token::Word(word)) if words.is_empty() => format!(
                "'{word}' is no type: there are double, float, int, long, int64_t, size_t and the like (an enum is an int)"
            ),
            Some(token) if words.is_empty() => format!("expected a type, found {token}"),
            None if words.is_empty() => "expected a type, and the signature ends".to_owned(),
            _ => format!("'{}' is no type that can be handed over", words.join(" ")),
        };
        Err(Mistake { column, message })
    }

    fn fortran_type(&mut self) -> Result<Type, Mistake> {
        let column = self.column();
        let Some(word) = self.here().map(|word| word.to_ascii_lowercase()) else {
            return Err(self.mistake("expected a type"));
        };
        if !FORTRAN_WORDS.contains(&word.as_str()) {
            return Err(self.mistake(format!(
                "'{word}' is no type: there are real(8), double precision, real, integer, integer(8), complex(8), logical and character"
            )));
        }
        self.at += 1;
        let mut name = word;
        if name == "double" {
            let (second, _) = self.word("`precision` or `complex`")?;
            name += &second.to_ascii_lowercase();
        }
        let number = |cursor: &mut Cursor| match cursor.peek() {
            Some(Token::Integer(number)) => {
                let number = *number;
                cursor.at += 1;
                Ok(number)
            }
            // character(*)
            Some(Token::Sign('*')) if name == "character" => {
                cursor.at += 1;
                Ok(0)
            }
            _ => Err(cursor.mistake("expected a number: a kind by a name is not known here")),
        };
        let (mut kind, mut bytes) = (None, None);
        if self.take('(') {
            if (self.take_word("kind") || self.take_word("len")) && !self.take('=') {
                return Err(self.mistake("expected '='"));
            }
            kind = Some(number(self)?);
            self.expect(')', "after the kind")?;
        } else if self.take('*') {
            bytes = Some(number(self)?);
        }
        if name == "character" {
            return Ok(Type { dtype: None, text: true, column });
        }
        match fortran_type(&name, kind, bytes) {
            Some(dtype) => Ok(Type { dtype: Some(dtype), text: false, column }),
            None => {
                let kind =
                    kind.map(|kind| format!("({kind})")).or(bytes.map(|bytes| format!("*{bytes}"))).unwrap_or_default();
                Err(Mistake { column, message: format!("'{name}{kind}' is no type that can be handed over") })
            }
        }
    }
}

/// Words that begin or continue the name of a type in C.
const C_WORDS: [&str; 36] = [
    "char",
    "short",
    "int",
    "long",
    "signed",
    "unsigned",
    "float",
    "double",
    "complex",
    "_Complex",
    "bool",
    "_Bool",
    "size_t",
    "ssize_t",
    "ptrdiff_t",
    "intptr_t",
    "uintptr_t",
    "int8_t",
    "int16_t",
    "int32_t",
    "int64_t",
    "uint8_t",
    "uint16_t",
    "uint32_t",
    "uint64_t",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float32",
    "float64",
    "void",
];

/// The dtype of the words of a type in C, in any order; those of 64-bit Unix.
fn c_type(words: &[&str]) -> Option<DType> {
    let mut sorted = words.to_vec();
    sorted.sort_unstable();
    Some(match sorted[..] {
        ["double"] | ["float64"] => DType::Float64,
        ["float"] | ["float32"] => DType::Float32,
        ["complex" | "_Complex", "double"] | ["_Complex"] | ["complex"] => DType::Complex128,
        ["complex" | "_Complex", "float"] => DType::Complex64,
        ["char"] if cfg!(not(target_arch = "x86_64")) && cfg!(target_os = "linux") => DType::Uint8,
        ["char"] | ["char", "signed"] | ["int8_t"] | ["int8"] => DType::Int8,
        ["char", "unsigned"] | ["uint8_t"] | ["uint8"] | ["bool"] | ["_Bool"] => DType::Uint8,
        ["short"] | ["int", "short"] | ["short", "signed"] | ["int", "short", "signed"] | ["int16_t"] | ["int16"] => {
            DType::Int16
        }
        ["short", "unsigned"] | ["int", "short", "unsigned"] | ["uint16_t"] | ["uint16"] => DType::Uint16,
        ["int"] | ["signed"] | ["int", "signed"] | ["int32_t"] | ["int32"] => DType::Int32,
        ["unsigned"] | ["int", "unsigned"] | ["uint32_t"] | ["uint32"] => DType::Uint32,
        ["size_t"] | ["uintptr_t"] | ["uint64_t"] | ["uint64"] => DType::Uint64,
        ["ssize_t"] | ["ptrdiff_t"] | ["intptr_t"] | ["int64_t"] | ["int64"] => DType::Int64,
        _ => return long(&sorted),
    })
}

/// `long`, `unsigned long long int` and the like.
fn long(words: &[&str]) -> Option<DType> {
    let count = |word: &str| words.iter().filter(|other| **other == word).count();
    let (longs, signs, ints) = (count("long"), count("signed") + count("unsigned"), count("int"));
    let whole = (1..=2).contains(&longs) && signs <= 1 && ints <= 1 && longs + signs + ints == words.len();
    whole.then_some(if count("unsigned") == 1 { DType::Uint64 } else { DType::Int64 })
}

/// The dtype of a type in Fortran: its words joined, in lower case, and the kind, or the bytes behind `*`.
fn fortran_type(name: &str, kind: Option<i64>, bytes: Option<i64>) -> Option<DType> {
    Some(match (name, kind, bytes) {
        ("real", None | Some(4), None) | ("real", None, Some(4)) | ("real4", None, None) => DType::Float32,
        ("real", Some(8), None) | ("real", None, Some(8)) | ("real8" | "doubleprecision", None, None) => DType::Float64,
        ("complex", None | Some(4), None) | ("complex", None, Some(8)) => DType::Complex64,
        ("complex", Some(8), None) | ("complex", None, Some(16)) | ("doublecomplex", None, None) => DType::Complex128,
        ("integer" | "logical", None | Some(4), None) | ("integer" | "logical", None, Some(4)) => DType::Int32,
        ("integer" | "logical", Some(8), None) | ("integer" | "logical", None, Some(8)) => DType::Int64,
        ("integer4", None, None) => DType::Int32,
        ("integer8", None, None) => DType::Int64,
        ("integer" | "logical", Some(2), None) | ("integer" | "logical", None, Some(2)) => DType::Int16,
        ("integer" | "logical", Some(1), None) | ("integer" | "logical", None, Some(1)) => DType::Int8,
        _ => return None,
    })
}

/// Words that begin the name of a type in Fortran.
const FORTRAN_WORDS: [&str; 10] =
    ["real", "real4", "real8", "integer", "integer4", "integer8", "complex", "logical", "character", "double"];
