//! What a model reads.

use std::cell::OnceCell;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::call::{Call, Leaf};
use super::{Fault, Key};
use crate::tree::{DType, Element};

/// The inputs of a call, in the host's memory.
pub struct Inputs<'c> {
    call: Call<'c>,
    arrays: &'c [Leaf],
    others: OnceCell<HashMap<String, &'c RawValue>>,
}

/// One array input.
#[derive(Clone, Copy)]
pub struct Input<'c> {
    array: &'c Leaf,
}

impl<'c> Inputs<'c> {
    pub(super) fn new(call: Call<'c>) -> Inputs<'c> {
        Inputs { call, arrays: call.arrays(), others: OnceCell::new() }
    }

    /// The number of array inputs.
    pub fn len(&self) -> usize {
        self.arrays.len()
    }

    /// Whether there are no array inputs.
    pub fn is_empty(&self) -> bool {
        self.arrays.is_empty()
    }

    /// A number that is the same only where leaves, indices, dtypes and shapes are the same as in an earlier
    /// call on this instance: what was looked up then still holds. Never 0.
    pub fn layout(&self) -> u64 {
        self.call.layout()
    }

    /// The array inputs, in the order of the schema.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Input<'c>> + use<'c> {
        self.arrays.iter().map(|array| Input { array })
    }

    /// The index of the array at `path`, if it is there.
    pub fn index(&self, path: &str) -> Option<usize> {
        self.arrays.iter().position(|array| array.path() == path)
    }

    /// One array input. [Refuses](Fault::Refused) where it is absent.
    pub fn get<'k>(&self, key: impl Into<Key<'k>>) -> Result<Input<'c>, Fault> {
        let key = key.into();
        let array = match key {
            Key::Index(index) => self.arrays.get(index),
            Key::Path(path) => self.arrays.iter().find(|array| array.path() == path),
        };
        array.map(|array| Input { array }).ok_or_else(|| Fault::refused(format!("input {key} is missing")))
    }

    /// The elements of an array input, in C order; booleans are read as `u8`.
    pub fn slice<'k, T: Element>(&self, key: impl Into<Key<'k>>) -> Result<&'c [T], Fault> {
        self.get(key)?.slice()
    }

    /// The value of a scalar input.
    pub fn scalar<'k, T: Element>(&self, key: impl Into<Key<'k>>) -> Result<T, Fault> {
        self.get(key)?.scalar()
    }

    /// The dimensions of an array input.
    pub fn shape<'k>(&self, key: impl Into<Key<'k>>) -> Result<&'c [usize], Fault> {
        Ok(self.get(key)?.shape())
    }

    /// All inputs that are not arrays: one JSON object from path to value.
    pub fn json(&self) -> &'c str {
        self.call.json()
    }

    /// An input that is not an array: a `String`, an enum that serde knows, an `Option` of something that
    /// may be absent. [Refuses](Fault::Refused) where it is not what is expected.
    ///
    /// ```
    /// # use secant::plugin::{Fault, Inputs};
    /// # fn apply(inputs: &Inputs<'_>) -> Result<(), Fault> {
    /// let method: String = inputs.value("method")?;
    /// let seed: Option<u64> = inputs.value("seed")?;
    /// # Ok(()) }
    /// ```
    pub fn value<T: Deserialize<'c>>(&self, path: &str) -> Result<T, Fault> {
        let others = match self.others.get() {
            Some(others) => others,
            None => {
                let parsed = serde_json::from_str(self.json());
                let parsed =
                    parsed.map_err(|error| Fault::dead(format!("the host sent JSON that is none: {error}")))?;
                self.others.get_or_init(|| parsed)
            }
        };
        let Some(text) = others.get(path) else {
            return serde_json::from_str("null").map_err(|_| Fault::refused(format!("input {path} is missing")));
        };
        serde_json::from_str(text.get()).map_err(|error| Fault::refused(format!("input {path}: {error}, found {text}")))
    }

    /// Whether nobody waits for the result any more: a long evaluation may then fail at once.
    pub fn is_cancelled(&self) -> bool {
        self.call.is_cancelled()
    }
}

impl<'c> Input<'c> {
    pub(super) fn new(array: &'c Leaf) -> Input<'c> {
        Input { array }
    }

    /// Its path: `mesh.points`, `layers.[0]`, `fields.{a key}`.
    pub fn path(&self) -> &'c str {
        self.array.path()
    }

    /// Its element type.
    pub fn dtype(&self) -> DType {
        self.array.dtype()
    }

    /// Its dimensions.
    pub fn shape(&self) -> &'c [usize] {
        self.array.shape()
    }

    /// Its elements, in C order; booleans are read as `u8`.
    pub fn slice<T: Element>(&self) -> Result<&'c [T], Fault> {
        let dtype = self.dtype();
        if T::DTYPE != dtype && !(dtype == DType::Bool && T::DTYPE == DType::Uint8) {
            // The host has checked it against the schema: no fault of the caller's.
            return Err(Fault::failed(format!("{}: the model reads {}, but it is {dtype}", self.path(), T::DTYPE)));
        }
        let bytes = self.array.bytes();
        let bytes = bytes.ok_or_else(|| Fault::failed(format!("{}: has no values in abstract_eval", self.path())))?;
        bytemuck::try_cast_slice(bytes).map_err(|error| Fault::failed(format!("{}: {error}", self.path())))
    }

    /// Its value, if it is a scalar.
    pub fn scalar<T: Element>(&self) -> Result<T, Fault> {
        match (self.slice()?, self.shape()) {
            ([value], []) => Ok(*value),
            _ => Err(Fault::refused(format!("{}: expected a scalar, found shape {:?}", self.path(), self.shape()))),
        }
    }
}
