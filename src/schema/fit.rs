//! Arrays held against a leaf: rank, lengths, domain.
//!
//! Not dtypes (`codec::cast`), nor lengths that must agree between leaves (`read`).

use crate::tree::Array;

use super::leaf::{Bound, Dim, Leaf, Tuple};

/// What is wrong with one value, wherever it is.
pub(super) struct Misfit {
    pub(super) code: &'static str,
    pub(super) message: String,
}

/// Whether a shape is what the leaf says; where `repeat`, lengths of 1 stand for any fixed length.
pub(super) fn check_shape(shape: &[usize], leaf: &Leaf, repeat: bool) -> Result<(), Misfit> {
    let Some(dims) = &leaf.shape else { return Ok(()) };
    if shape.len() != dims.len() {
        let message = format!("Array has wrong number of dimensions: got {}D, expected {}D", shape.len(), dims.len());
        return Err(Misfit { code: "array_dimensionality_mismatch", message });
    }
    let fits = shape.iter().zip(dims).all(|(&length, dim)| match dim {
        Dim::Fixed(expected) => length == *expected || (repeat && length == 1),
        Dim::Named(_, limits) | Dim::Any(limits) => limits.allow(length),
    });
    if !fits {
        let message = format!("Array shape {} is incompatible with expected shape {}", Tuple(shape), Tuple(dims));
        return Err(Misfit { code: "array_shape_mismatch", message });
    }
    Ok(())
}

/// The array with lengths of 1 repeated to the leaf's fixed ones. Its shape is one the leaf allows.
pub(crate) fn broadcast(array: Array, leaf: &Leaf) -> Array {
    let Some(dims) = &leaf.shape else { return array };
    let shape: Vec<usize> = array
        .shape()
        .iter()
        .zip(dims)
        .map(|(&length, dim)| if let Dim::Fixed(fixed) = dim { *fixed } else { length })
        .collect();
    repeated(&array, &shape).unwrap_or(array)
}

/// The array with lengths of 1 repeated to those of `shape`; `None` if other lengths differ.
pub(crate) fn repeated(array: &Array, shape: &[usize]) -> Option<Array> {
    if shape == array.shape() {
        return Some(array.clone());
    }
    let fits = array.shape().len() == shape.len()
        && array.shape().iter().zip(shape).all(|(own, length)| own == length || *own == 1);
    fits.then(|| {
        let mut result = Array::zeros(array.dtype(), shape);
        repeat(array.bytes(), array.shape(), result.bytes_mut(), shape);
        result
    })
}

fn repeat(from: &[u8], lengths: &[usize], to: &mut [u8], shape: &[usize]) {
    let (Some((&length, inner)), Some((&target, inner_shape))) = (lengths.split_first(), shape.split_first()) else {
        return to.copy_from_slice(from);
    };
    if length == 0 || target == 0 || to.is_empty() {
        return;
    }
    let rows = from.chunks_exact(from.len() / length).cycle();
    for (row, slot) in rows.zip(to.chunks_exact_mut(to.len() / target)) {
        repeat(row, inner, slot, inner_shape);
    }
}

/// Whether every element is within the leaf's bounds: a misfit for each bound that is not kept.
pub(super) fn check_bounds(array: &Array, leaf: &Leaf) -> Vec<Misfit> {
    const CODES: [(&str, &str); 4] = [
        ("greater_than_equal", "greater than or equal to"),
        ("greater_than", "greater than"),
        ("less_than_equal", "less than or equal to"),
        ("less_than", "less than"),
    ];
    if leaf.minimum.is_none() && leaf.maximum.is_none() {
        return Vec::new();
    }
    let values = array.to_vec();
    let misfit = |bound: Option<Bound>, (code, words): (&'static str, &str), keeps: &dyn Fn(f64) -> bool| {
        let outside: Vec<usize> = (0..values.len()).filter(|&index| !keeps(values[index])).collect();
        let message = format!("Input should be {words} {}, found {}", bound?.limit, elements(array, &values, &outside));
        (!outside.is_empty()).then_some(Misfit { code, message })
    };
    // Negated comparisons would let NaN through.
    let (lower, upper) = (leaf.lower().unwrap_or(f64::NEG_INFINITY), leaf.upper().unwrap_or(f64::INFINITY));
    let exclusive = |bound: Option<Bound>| usize::from(bound.is_some_and(|bound| bound.exclusive));
    [
        misfit(leaf.minimum, CODES[exclusive(leaf.minimum)], &|value| value >= lower),
        misfit(leaf.maximum, CODES[2 + exclusive(leaf.maximum)], &|value| value <= upper),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// `-1 at [0,2], -3 at [1,0] and 7 more`
fn elements(array: &Array, values: &[f64], indices: &[usize]) -> String {
    const SHOWN: usize = 3;
    let named: Vec<_> = indices
        .iter()
        .take(SHOWN)
        .map(|&flat| match array.shape() {
            [] => values[flat].to_string(),
            shape => format!("{} at {}", values[flat], position(flat, shape)),
        })
        .collect();
    let more = indices.len().saturating_sub(SHOWN);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", named.join(", "))
}

fn position(mut flat: usize, shape: &[usize]) -> String {
    let mut index: Vec<String> = Vec::new();
    for &length in shape.iter().rev() {
        index.push((flat % length).to_string());
        flat /= length;
    }
    index.reverse();
    format!("[{}]", index.join(","))
}
