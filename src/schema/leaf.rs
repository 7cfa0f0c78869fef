//! A numeric leaf of a schema: its dtype, dimensions, domain and marks.
//!
//! Not how it is written in JSON Schema (`parse_leaf`), nor how arrays are held against it (`fit`).

use std::fmt;

use half::f16;

use crate::tree::{DType, Kind};

/// What an array must be.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf {
    /// Its element type; whatever can be cast to it is accepted.
    pub dtype: DType,
    /// Its dimensions; `None` if it may have any number of them.
    pub shape: Option<Vec<Dim>>,
    /// Whether derivatives with respect to it, or of it, may be asked for.
    pub differentiable: bool,
    /// What its elements may not fall below.
    pub minimum: Option<Bound>,
    /// What its elements may not exceed.
    pub maximum: Option<Bound>,
    /// The typical magnitude of its elements.
    pub scale: Option<f64>,
    /// What the schema says it is.
    pub description: Option<String>,
}

/// One dimension of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    /// Exactly this length, or 1, which is repeated.
    Fixed(usize),
    /// Any length, the same wherever the name stands.
    Named(String, Limits),
    /// Any length.
    Any(Limits),
}

/// How many there may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// At least.
    pub min: usize,
    /// At most.
    pub max: Option<usize>,
}

/// An end of an interval, as declared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// The number.
    pub limit: f64,
    /// Whether the number itself is outside.
    pub exclusive: bool,
}

impl Limits {
    /// Whether there may be this many.
    pub fn allow(&self, count: usize) -> bool {
        count >= self.min && self.max.is_none_or(|max| count <= max)
    }
}

impl Leaf {
    /// The smallest value allowed that the dtype can hold.
    pub fn lower(&self) -> Option<f64> {
        // Mirrored, so that there is one rule to get right.
        self.minimum.map(|bound| -largest(self.dtype, Bound { limit: -bound.limit, ..bound }))
    }

    /// The largest value allowed that the dtype can hold.
    pub fn upper(&self) -> Option<f64> {
        self.maximum.map(|bound| largest(self.dtype, bound))
    }
}

impl Leaf {
    /// Its dimensions in words: `(n, 3)`; `any` if it may have any number of them.
    pub fn shape_text(&self) -> String {
        self.shape.as_ref().map_or_else(|| "any".to_owned(), |dims| Tuple(dims).to_string())
    }

    /// Its domain as an interval, `[0, inf)`; empty where it has no bounds.
    pub fn domain_text(&self) -> String {
        if self.minimum.is_none() && self.maximum.is_none() {
            return String::new();
        }
        let lower = self.minimum.map_or_else(
            || "(-inf".to_owned(),
            |bound| format!("{}{}", if bound.exclusive { '(' } else { '[' }, bound.limit),
        );
        let upper = self.maximum.map_or_else(
            || "inf)".to_owned(),
            |bound| format!("{}{}", bound.limit, if bound.exclusive { ')' } else { ']' }),
        );
        format!("{lower}, {upper}")
    }
}

/// The largest number of the dtype within the bound. A bound that the dtype cannot hold is first
/// rounded to it, as the values compared with it have been.
fn largest(dtype: DType, bound: Bound) -> f64 {
    let limit = bound.limit;
    if dtype.kind() <= Kind::Integer {
        let whole = limit.floor();
        return if bound.exclusive && whole == limit { whole - 1.0 } else { whole };
    }
    match (dtype, bound.exclusive) {
        (DType::Float32, false) => f64::from(limit as f32),
        (DType::Float32, true) => f64::from((limit as f32).next_down()),
        (DType::Float16, false) => f64::from(f16::from_f64(limit)),
        (DType::Float16, true) => f64::from(next_down(f16::from_f64(limit))),
        (_, false) => limit,
        (_, true) => limit.next_down(),
    }
}

fn next_down(value: f16) -> f16 {
    let bits = value.to_bits();
    if value.is_nan() || value == f16::NEG_INFINITY {
        value
    } else if value == f16::ZERO {
        -f16::MIN_POSITIVE_SUBNORMAL
    } else if value > f16::ZERO {
        f16::from_bits(bits - 1)
    } else {
        f16::from_bits(bits + 1)
    }
}

/// A shape as the Tesseract protocol writes it, a Python tuple: `(None, 3)`.
pub(super) struct Tuple<'d, D>(pub(super) &'d [D]);

impl<D: fmt::Display> fmt::Display for Tuple<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<_> = self.0.iter().map(D::to_string).collect();
        write!(f, "({}{})", dims.join(", "), if dims.len() == 1 { "," } else { "" })
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dim::Fixed(length) => write!(f, "{length}"),
            Dim::Named(name, Limits { min: 0, max: None }) => f.write_str(name),
            Dim::Named(name, limits) => write!(f, "{name} in {limits}"),
            Dim::Any(Limits { min: 0, max: None }) => f.write_str("None"),
            Dim::Any(limits) => limits.fmt(f),
        }
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.max {
            Some(max) => write!(f, "{}..={max}", self.min),
            None => write!(f, "{}..", self.min),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(dtype: DType, minimum: Bound, maximum: Bound) -> Leaf {
        Leaf {
            dtype,
            shape: Some(vec![]),
            differentiable: false,
            minimum: Some(minimum),
            maximum: Some(maximum),
            scale: None,
            description: None,
        }
    }

    #[test]
    fn bounds_close_at_the_next_value_of_the_dtype() {
        let open = |limit| Bound { limit, exclusive: true };
        let closed = |limit| Bound { limit, exclusive: false };
        let ends = |leaf: Leaf| (leaf.lower().unwrap(), leaf.upper().unwrap());
        assert_eq!(ends(leaf(DType::Float64, closed(0.1), open(1.0))), (0.1, 1.0f64.next_down()));
        assert_eq!(ends(leaf(DType::Float64, open(0.0), open(0.0))), (5e-324, -5e-324));
        assert_eq!(
            ends(leaf(DType::Float32, open(0.0), closed(0.7))),
            (f64::from(f32::from_bits(1)), f64::from(0.7f32))
        );
        assert_eq!(ends(leaf(DType::Float16, open(0.0), open(1.0))), (2f64.powi(-24), 1.0 - 2f64.powi(-11)));
        assert_eq!(ends(leaf(DType::Float16, open(-1.0), open(-1.0))), (-1.0 + 2f64.powi(-11), -1.0 - 2f64.powi(-10)));
        assert_eq!(ends(leaf(DType::Int32, open(2.0), open(5.0))), (3.0, 4.0));
        assert_eq!(ends(leaf(DType::Int32, closed(2.5), closed(4.5))), (3.0, 4.0));
        assert_eq!(ends(leaf(DType::Int32, open(2.5), open(4.5))), (3.0, 4.0));
    }
}
