//! What values are read from: JSON, JSON with shapes for arrays, and trees made in Rust.
//!
//! Not the walk through them (`read`).

use std::borrow::Cow;

use serde_json::Value;

use crate::codec::{
    ArrayError, Encoding, Expected, cast, castable, decode, decode_list, parse_json, read_dtype, read_shape, write_tree,
};
use crate::tree::{Abstract, Array, Tree};

use super::fit::{Misfit, broadcast, check_shape};
use super::leaf::Leaf;

/// A value of some kind at one place.
pub(super) trait Source<'v>: Copy {
    /// What its numeric leaves are.
    type Leaf: Found;

    fn is_null(self) -> bool;
    /// The names in an object; `None` if it is none.
    fn keys(self) -> Option<Vec<&'v str>>;
    fn get(self, key: &str) -> Option<Self>;
    /// The elements of a list; `None` if it is none.
    fn items(self) -> Option<Vec<Self>>;
    /// The whole of it, for values that are passed through.
    fn json(self) -> Cow<'v, Value>;
    /// It as an array of the leaf's dtype and a shape the leaf allows.
    fn leaf(self, leaf: &Leaf, null_is_nan: bool) -> Result<Self::Leaf, Misfit>;
}

/// A leaf that has been read.
pub(super) trait Found: Sized {
    fn of(array: &Array) -> Self;
    fn shape(&self) -> &[usize];
    fn array(&self) -> Option<&Array>;
}

impl Found for Array {
    fn of(array: &Array) -> Array {
        array.clone()
    }
    fn shape(&self) -> &[usize] {
        Array::shape(self)
    }
    fn array(&self) -> Option<&Array> {
        Some(self)
    }
}

impl Found for Abstract {
    fn of(array: &Array) -> Abstract {
        array.to_abstract()
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn array(&self) -> Option<&Array> {
        None
    }
}

impl From<ArrayError> for Misfit {
    fn from(error: ArrayError) -> Misfit {
        Misfit { code: error.code(), message: error.to_string() }
    }
}

/// JSON as it comes in requests and from models.
#[derive(Clone, Copy)]
pub(super) struct Json<'v>(pub(super) &'v Value);

/// JSON in which arrays are `{"shape","dtype"}`.
#[derive(Clone, Copy)]
pub(super) struct Shapes<'v>(pub(super) &'v Value);

macro_rules! json_structure {
    () => {
        fn is_null(self) -> bool {
            self.0.is_null()
        }
        fn keys(self) -> Option<Vec<&'v str>> {
            Some(self.0.as_object()?.keys().map(String::as_str).collect())
        }
        fn get(self, key: &str) -> Option<Self> {
            self.0.get(key).map(Self)
        }
        fn items(self) -> Option<Vec<Self>> {
            Some(self.0.as_array()?.iter().map(Self).collect())
        }
        fn json(self) -> Cow<'v, Value> {
            Cow::Borrowed(self.0)
        }
    };
}

fn expected(leaf: &Leaf, null_is_nan: bool) -> Expected {
    Expected { dtype: leaf.dtype, rank: leaf.shape.as_ref().map(Vec::len), null_is_nan }
}

/// An array of the leaf's dtype in a shape the leaf allows.
fn fitting(array: Array, leaf: &Leaf) -> Result<Array, Misfit> {
    check_shape(array.shape(), leaf, true)?;
    Ok(broadcast(array, leaf))
}

/// The same of the numbers of nested lists.
pub(super) fn fitting_list(array: Array, leaf: &Leaf, null_is_nan: bool) -> Result<Array, Misfit> {
    fitting(decode_list(array, expected(leaf, null_is_nan))?, leaf)
}

impl<'v> Source<'v> for Json<'v> {
    type Leaf = Array;
    json_structure!();

    fn leaf(self, leaf: &Leaf, null_is_nan: bool) -> Result<Array, Misfit> {
        fitting(decode(self.0, expected(leaf, null_is_nan))?, leaf)
    }
}

impl<'v> Source<'v> for Shapes<'v> {
    type Leaf = Abstract;
    json_structure!();

    fn leaf(self, leaf: &Leaf, null_is_nan: bool) -> Result<Abstract, Misfit> {
        let shape = match self.0 {
            Value::Object(object) => {
                castable(read_dtype(object.get("dtype"))?, leaf.dtype)?;
                read_shape(object.get("shape"))?
            }
            bare => decode(bare, expected(leaf, null_is_nan))?.shape().to_vec(),
        };
        check_shape(&shape, leaf, false)?;
        Ok(Abstract { dtype: leaf.dtype, shape: shape.into() })
    }
}

impl<'v> Source<'v> for &'v Tree {
    type Leaf = Array;

    fn is_null(self) -> bool {
        matches!(self, Tree::Text(text) if **text == *"null")
    }
    fn keys(self) -> Option<Vec<&'v str>> {
        match self {
            Tree::Struct(map) | Tree::Dict(map) => Some(map.keys().map(String::as_str).collect()),
            _ => None,
        }
    }
    fn get(self, key: &str) -> Option<&'v Tree> {
        match self {
            Tree::Struct(map) | Tree::Dict(map) => map.get(key),
            _ => None,
        }
    }
    fn items(self) -> Option<Vec<&'v Tree>> {
        match self {
            Tree::List(items) => Some(items.iter().collect()),
            _ => None,
        }
    }
    fn json(self) -> Cow<'v, Value> {
        let mut text = Vec::new();
        write_tree(&mut text, self, Encoding::Plain);
        // Texts in a tree may be anything a caller put there; what is no JSON is at least a text.
        Cow::Owned(parse_json(&text).unwrap_or_else(|_| String::from_utf8_lossy(&text).into()))
    }
    fn leaf(self, leaf: &Leaf, _null_is_nan: bool) -> Result<Array, Misfit> {
        let Tree::Leaf(array) = self else {
            return Err(ArrayError::NonNumeric("no array".to_owned()).into());
        };
        fitting(cast(array.clone(), leaf.dtype)?, leaf)
    }
}
