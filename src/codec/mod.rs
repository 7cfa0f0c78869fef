//! Arrays on the wire: every JSON form an array may come in, and every one it may leave in.
//!
//! Not here: what a model accepts (that is `schema`). Numbers cross as native bytes, so hosts are
//! little-endian.

mod cast;
mod decode;
mod encode;
mod json;
mod nested;
mod object;
mod straight;

pub use cast::cast;
pub(crate) use cast::castable;
pub use decode::{Expected, decode};
pub(crate) use decode::{decode_list, decode_wide};
pub use encode::{Encoding, write_abstract, write_array, write_tree, write_view};
pub(crate) use encode::{lz4, write_float, write_nested, write_nodes, write_reference};
pub(crate) use json::mark_non_finite;
pub use json::{JsonError, parse_json, standard_text};
pub(crate) use object::{read_dtype, read_shape};
pub(crate) use straight::gather_straight;

use crate::tree::DType;

#[cfg(target_endian = "big")]
compile_error!("arrays travel as little-endian bytes, which a big-endian host would have to swap");

/// Why a value is not the array that was expected, in the words of the Tesseract protocol.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ArrayError {
    /// The elements are of a kind that cannot become the expected one.
    #[error("Array dtype '{from}' cannot be safely cast to '{to}'")]
    DtypeMismatch {
        /// What it is.
        from: DType,
        /// What it should become.
        to: DType,
    },
    /// An element is too large for the expected dtype.
    #[error("Array values do not fit into dtype '{to}' (e.g. {example})")]
    OutOfRange {
        /// What it should become.
        to: DType,
        /// One such element.
        example: String,
    },
    /// A fractional number in the buffer of an integer array.
    #[error("Array of dtype '{to}' expects integers, found {found}")]
    ExpectedInteger {
        /// What the array says it is.
        to: DType,
        /// What it holds.
        found: f64,
    },
    /// Something that is no number, or an array object that is none.
    #[error("Could not parse value as a numeric array (contains non-numeric data): {0}")]
    NonNumeric(String),
    /// A buffer that does not hold what the array object says.
    #[error("Failed to decode array buffer ({encoding} encoding): {reason}")]
    Undecodable {
        /// Its encoding.
        encoding: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Rows of different lengths.
    #[error("Value error, setting an array element with a sequence: the list is ragged at {at:?}")]
    Ragged {
        /// The index of the first misfit.
        at: Vec<usize>,
    },
}

impl ArrayError {
    /// Its `type` on the wire.
    pub fn code(&self) -> &'static str {
        match self {
            ArrayError::DtypeMismatch { .. } => "array_dtype_mismatch",
            ArrayError::OutOfRange { .. } => "array_value_out_of_range",
            ArrayError::ExpectedInteger { .. } => "array_expected_integer",
            ArrayError::NonNumeric(_) => "array_non_numeric",
            ArrayError::Undecodable { .. } => "array_decode_error",
            ArrayError::Ragged { .. } => "value_error",
        }
    }
}
