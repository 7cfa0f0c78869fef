//! Which input is written: `x`, `x[0]`, `mesh.points[4,1]`, `z[0].im`, and its values as pieces of a text.

use super::text::{Field, Piece};
use crate::diff::Decimal;
use crate::schema::Node;
use crate::tree::{Array, DType, Kind, Path, Tree};

/// A leaf, a block of its elements, or one of them.
#[derive(Clone, Debug)]
pub(super) struct Target {
    name: String,
    path: Path,
    /// Its first indices; all if it is one element.
    index: Vec<usize>,
    /// 0 for the real and 1 for the imaginary part of complex elements.
    part: Option<usize>,
}

/// What a target is for certain inputs.
pub(super) struct Found {
    /// The dimensions that its index leaves open; complex elements have one more, of 2.
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<Value>,
}

/// One value.
pub(super) enum Value {
    /// A coordinate of a floating leaf.
    Number(Path, usize),
    /// Anything else, which does not change: as a deck has it, and as JSON has it.
    Fixed { plain: String, json: String },
}

impl Value {
    /// As a piece of a text, numbers as `decimal` has them.
    pub(super) fn piece(self, decimal: Decimal) -> Piece {
        match self {
            Value::Number(path, element) => Piece::Field(Field { path, element, decimal }),
            Value::Fixed { plain, .. } => Piece::Literal(plain.into_bytes()),
        }
    }
}

impl Target {
    pub(super) fn parse(name: &str) -> Result<Target, String> {
        let (rest, part) = match name.rsplit_once("].") {
            Some((_, "re")) => (&name[..name.len() - 3], Some(0)),
            Some((_, "im")) => (&name[..name.len() - 3], Some(1)),
            _ => (name, None),
        };
        let mut end = rest.len();
        let mut groups = Vec::new();
        while rest[..end].ends_with(']') {
            // After a dot it is a step of the path.
            let Some(open) = rest[..end].rfind('[').filter(|&open| open > 0 && !rest[..open].ends_with('.')) else {
                break;
            };
            let numbers: Result<Vec<usize>, _> =
                rest[open + 1..end - 1].split(',').map(|number| number.trim().parse()).collect();
            groups.push(
                numbers.map_err(|_| {
                    format!("'{}' of '{name}' is no index: it looks like [0] or [4,1]", &rest[open..end])
                })?,
            );
            end = open;
        }
        let path = rest[..end].parse().map_err(|error| format!("{error}"))?;
        Ok(Target { name: name.to_owned(), path, index: groups.into_iter().rev().flatten().collect(), part })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there can be such an input.
    pub(super) fn check(&self, inputs: &Node) -> Result<(), String> {
        let leaves = inputs.leaves();
        let known = leaves.iter().any(|(pattern, _)| pattern.matches(&self.path))
            || inputs.opaques().iter().any(|(pattern, _)| pattern.matches(&self.path));
        if known {
            Ok(())
        } else {
            Err(unknown(&self.path.to_string(), leaves.iter().map(|(pattern, _)| pattern.to_string())))
        }
    }

    pub(super) fn find(&self, inputs: &Tree) -> Result<Found, String> {
        match inputs.get(&self.path) {
            Some(Tree::Leaf(array)) => self.elements(array),
            Some(Tree::Text(json)) if self.index.is_empty() && self.part.is_none() => {
                Ok(Found { shape: Vec::new(), values: vec![fixed(json, &self.path)?] })
            }
            Some(_) => Err(format!("{} is neither a number nor an array of them", self.name)),
            None => Err(unknown(&self.path.to_string(), inputs.leaves().iter().map(|(path, _)| path.to_string()))),
        }
    }

    /// The one value it is.
    pub(super) fn single(&self, inputs: &Tree) -> Result<Value, String> {
        let mut found = self.find(inputs)?;
        match (found.values.pop(), found.values.is_empty()) {
            (Some(value), true) => Ok(value),
            _ => Err(format!(
                "{} has the shape {:?}: name one element, such as {}[0]",
                self.name, found.shape, self.name
            )),
        }
    }

    fn elements(&self, array: &Array) -> Result<Found, String> {
        let shape = array.shape();
        let given = &self.index;
        if given.len() > shape.len() || given.iter().zip(shape).any(|(number, dim)| number >= dim) {
            return Err(format!("there is no {}: {} has the shape {shape:?}", self.name, self.path));
        }
        if self.part.is_some() && !array.dtype().is_complex() {
            return Err(format!("{} is real and has no parts", self.path));
        }
        let open = &shape[given.len()..];
        let count: usize = open.iter().product();
        let first = given.iter().zip(shape).fold(0, |flat, (number, dim)| flat * dim + number) * count;
        let mut shape = open.to_vec();
        let elements = first..first + count;
        let values = match (array.dtype().kind(), self.part) {
            (Kind::Complex, Some(part)) => {
                elements.map(|element| Value::Number(self.path.clone(), 2 * element + part)).collect()
            }
            (Kind::Complex, None) => {
                shape.push(2);
                (2 * elements.start..2 * elements.end).map(|at| Value::Number(self.path.clone(), at)).collect()
            }
            (Kind::Float, _) => elements.map(|element| Value::Number(self.path.clone(), element)).collect(),
            (Kind::Integer | Kind::Bool, _) => elements
                .map(|element| whole(array, element))
                .map(|text| Value::Fixed { plain: text.clone(), json: text })
                .collect(),
        };
        Ok(Found { shape, values })
    }
}

/// An element of an integer or boolean array as text.
pub(super) fn whole(array: &Array, element: usize) -> String {
    macro_rules! element {
        ($type:ty) => {
            array.as_slice::<$type>().map_or_else(String::new, |values| values[element].to_string())
        };
    }
    match array.dtype() {
        DType::Bool => (array.bytes()[element] != 0).to_string(),
        DType::Int8 => element!(i8),
        DType::Int16 => element!(i16),
        DType::Int32 => element!(i32),
        DType::Int64 => element!(i64),
        DType::Uint8 => element!(u8),
        DType::Uint16 => element!(u16),
        DType::Uint32 => element!(u32),
        DType::Uint64 => element!(u64),
        _ => String::new(),
    }
}

/// A value that is no number.
fn fixed(json: &str, path: &Path) -> Result<Value, String> {
    let plain = match serde_json::from_str(json) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(serde_json::Value::Null) => return Err(format!("{path} is null, which no text says")),
        _ => json.to_owned(),
    };
    Ok(Value::Fixed { plain, json: json.to_owned() })
}

/// That there is no such input, and which one was meant.
pub(super) fn unknown(name: &str, known: impl Iterator<Item = String>) -> String {
    let known: Vec<String> = known.collect();
    let near = known.iter().min_by_key(|path| strsim::damerau_levenshtein(name, path));
    match near {
        Some(near) if strsim::damerau_levenshtein(name, near) <= 1 + name.chars().count() / 3 => {
            format!("there is no input {name}: is {near} meant?")
        }
        Some(_) => format!("there is no input {name}: the inputs are {}", known.join(", ")),
        None => format!("there is no input {name}, nor any other"),
    }
}
