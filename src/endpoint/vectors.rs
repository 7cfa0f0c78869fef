//! Tangents and cotangents: read from JSON, and held against the paths, dtypes and shapes they belong to.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::error::Place;
use super::faults::{Faults, field};
use super::question::Question;
use super::{Context, Error};
use crate::codec::{self, ArrayError};
use crate::model::ModelError;
use crate::schema::{Dim, Leaf, Signature, broadcast, repeat_fixed};
use crate::tree::{Array, DType, Layout, Path, Pattern, Segment, Tree};

/// Tangents or cotangents: arrays by path.
pub type Vectors = Vec<(Path, Array)>;

/// What the vectors of a request must fit.
pub(super) struct Fitting<'r> {
    pub(super) signature: &'r Signature,
    pub(super) question: Question,
    /// The field of the request that holds them.
    pub(super) name: &'r str,
    /// The list of paths that its keys must be.
    pub(super) list: &'r str,
    pub(super) inputs: &'r Tree,
    pub(super) wrt: &'r [Path],
    pub(super) of: &'r [Pattern],
}

impl Fitting<'_> {
    /// From JSON: an object of arrays by path.
    pub(super) fn read(&self, given: &serde_json::Map<String, Value>, faults: &mut Faults) -> Vectors {
        let mut arrays = Vec::new();
        for (key, value) in given {
            // A key that is no leaf is told below, when keys are compared.
            let Some(leaf) = key.parse().ok().and_then(|path| self.leaf(&path)) else {
                arrays.push((key.clone(), Array::scalar(0.0)));
                continue;
            };
            let rank = leaf.shape.as_ref().map(Vec::len);
            match codec::decode(value, codec::Expected { dtype: leaf.dtype, rank, null_is_nan: false }) {
                Ok(array) => arrays.push((key.clone(), array)),
                Err(error) => faults.add(&self.at(key), error.code(), error.to_string()),
            }
        }
        if arrays.len() < given.len() { Vectors::new() } else { self.fit(arrays, faults) }
    }

    /// From arrays, in the order of the inputs for tangents, as given for cotangents.
    pub(super) fn fit(&self, given: Vec<(String, Array)>, faults: &mut Faults) -> Vectors {
        if !self.names_agree(&given, faults) {
            return Vectors::new();
        }
        let mut vectors = Vectors::new();
        for (key, array) in given {
            let Ok(path) = key.parse::<Path>() else { continue };
            match self.fitted(&path, array) {
                Ok(array) => vectors.push((path, array)),
                Err((code, reason)) => {
                    let message = format!("Value error, the {} vector '{key}' {reason}", self.kind());
                    faults.add(&self.at(&key), code, message);
                }
            }
        }
        let order: HashMap<&Path, usize> = self.wrt.iter().zip(0..).collect();
        vectors.sort_by_key(|(path, _)| order.get(path).copied().unwrap_or(usize::MAX));
        vectors
    }

    fn names_agree(&self, given: &[(String, Array)], faults: &mut Faults) -> bool {
        let list = self.list;
        let expected: Vec<String> = match self.question.has_tangents() {
            true => self.wrt.iter().map(Path::to_string).collect(),
            false => self.of.iter().map(Pattern::to_string).collect(),
        };
        let keys: Vec<&str> = given.iter().map(|(key, _)| key.as_str()).collect();
        let (given, known): (HashSet<&str>, HashSet<&str>) =
            (keys.iter().copied().collect(), expected.iter().map(String::as_str).collect());
        // Output patterns stand for keys that are known only after an evaluation.
        let open = !self.question.has_tangents() && self.of.iter().any(|pattern| pattern.as_path().is_none());
        let missing = known.iter().any(|path| !given.contains(path));
        let foreign = keys.iter().any(|key| !known.contains(key));
        if open || !(missing || foreign) {
            return true;
        }
        let message = format!(
            "Value error, Expected {} vector with keys conforming to {list}: {{{}}}, got {{{}}}.",
            self.kind(),
            expected.join(", "),
            keys.join(", ")
        );
        faults.add(&field(self.name), "value_error", message);
        false
    }

    /// One array made to fit its leaf, or why it does not.
    fn fitted(&self, path: &Path, array: Array) -> Result<Array, (&'static str, String)> {
        if !array.to_vec().iter().all(|value| value.is_finite()) {
            return Err(("finite_number", "is not finite".to_owned()));
        }
        let wrong = |reason: String| ("value_error", reason);
        let dtype = match self.question.has_tangents() {
            true => self.inputs.leaf(path).map(Array::dtype),
            false => self.leaf(path).map(|leaf| leaf.dtype),
        };
        let cast = |error: ArrayError| wrong(format!("cannot be used: {error}"));
        let array = match dtype.filter(|dtype| dtype.is_complex() != array.dtype().is_complex()) {
            None => array,
            Some(dtype) if dtype.is_complex() => codec::cast(array, DType::Complex128).map_err(cast)?,
            Some(_) => codec::cast(array, DType::Float64).map_err(cast)?,
        };
        let (fitted, expected) = match self.question.has_tangents() {
            true => {
                let input = self.inputs.leaf(path).map(Array::shape);
                (input.and_then(|shape| broadcast(&array, shape)), input.map(|shape| format!("{shape:?}")))
            }
            false => {
                let leaf = self.leaf(path);
                let fits = leaf.filter(|leaf| matches_schema(leaf, array.shape()));
                (fits.map(|leaf| repeat_fixed(array.clone(), leaf)), leaf.map(Leaf::shape_text))
            }
        };
        let expected = expected.unwrap_or_else(|| "no such path".to_owned());
        fitted.ok_or_else(|| wrong(format!("has shape {:?}, expected {expected}", array.shape())))
    }

    /// The leaf of the schema that a vector belongs to.
    fn leaf(&self, path: &Path) -> Option<&Leaf> {
        match self.question.has_tangents() {
            true => self.signature.inputs.leaf(path),
            false => self.signature.outputs.leaf(path),
        }
    }

    fn kind(&self) -> &'static str {
        if self.question.has_tangents() { "tangent" } else { "cotangent" }
    }

    fn at(&self, key: &str) -> Path {
        field(self.name).join(Segment::Key(key.to_owned()))
    }
}

fn matches_schema(leaf: &Leaf, shape: &[usize]) -> bool {
    let fits = |(dim, &size): (&Dim, &usize)| !matches!(dim, Dim::Fixed(fixed) if *fixed != size && size != 1);
    leaf.shape.as_ref().is_none_or(|dims| dims.len() == shape.len() && dims.iter().zip(shape).all(fits))
}

/// Values as arrays of the dtypes they are declared with.
pub(super) fn narrow(layout: &Layout, values: &[f64], context: &Context<'_>) -> Result<Vectors, Error> {
    let vectors = layout.unravel(values);
    for (path, array) in &vectors {
        if array.to_vec().iter().any(|value| !value.is_finite()) {
            let error = ModelError::failed(format!("the derivative at {path} does not fit into {}", array.dtype()));
            return Err(Error::at(context.pool, Place::Base, error));
        }
    }
    Ok(vectors)
}

/// The array as float64, or complex128 if it is complex.
pub(super) fn wide(array: &Array) -> Array {
    let dtype = if array.dtype().is_complex() { DType::Complex128 } else { DType::Float64 };
    Array::from_coordinates(dtype, array.shape(), &array.to_vec())
}
