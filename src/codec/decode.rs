//! JSON values to arrays: nested lists, bare numbers, and (in `object`) Tesseract array objects.
//!
//! Not shapes: whether a model wants an array of this shape is `schema`'s to say.

use serde_json::Value;

use crate::tree::{Array, DType, Kind};

use super::ArrayError;
use super::cast::{cast, integral};
use super::nested::gather;
use super::object::array_object;

/// What a value should be.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// The element type it is cast to.
    pub dtype: DType,
    /// Its number of dimensions if that is fixed. It tells a list of reals from a list of
    /// `[re, im]` pairs; with none fixed, lists of complex numbers are always read as pairs.
    pub rank: Option<usize>,
    /// Whether a bare `null` is NaN, as in what models and servers write.
    pub null_is_nan: bool,
}

/// Reads an array in any of its wire forms, and casts it to the expected dtype.
pub fn decode(value: &Value, expected: Expected) -> Result<Array, ArrayError> {
    let dtype = expected.dtype;
    match value {
        Value::Object(object) => cast(array_object(object)?, dtype),
        Value::Array(_) => decode_list(gather(value, expected.null_is_nan)?, expected),
        scalar => {
            let mut scalar = gather(scalar, expected.null_is_nan)?;
            if dtype.kind() == Kind::Integer && scalar.dtype() == DType::Float64 {
                // Many programs write 99.0 for 99, but 99.5 is no integer.
                scalar = integral(&scalar, dtype).unwrap_or(scalar);
            }
            cast(scalar, dtype)
        }
    }
}

/// Takes the numbers of nested lists for what is expected, and casts them to it.
pub(crate) fn decode_list(array: Array, expected: Expected) -> Result<Array, ArrayError> {
    let dtype = expected.dtype;
    cast(if dtype.is_complex() { complex(array, expected.rank)? } else { array }, dtype)
}

/// Reads an array that may be of any number of dimensions, as float64 or complex128.
pub(crate) fn decode_wide(value: &Value) -> Result<Array, ArrayError> {
    let named = value.get("dtype").and_then(Value::as_str).unwrap_or_default();
    let dtype = if named.starts_with("complex") { DType::Complex128 } else { DType::Float64 };
    decode(value, Expected { dtype, rank: None, null_is_nan: true })
}

/// A list that should be complex: its last dimension, if there is one too many, holds (re, im).
fn complex(array: Array, rank: Option<usize>) -> Result<Array, ArrayError> {
    let pairs = match rank {
        Some(rank) => array.shape().len() == rank + 1,
        None => !array.is_empty(),
    };
    match array.shape().split_last() {
        Some((2, shape)) if pairs => Ok(Array::from_coordinates(DType::Complex128, shape, &array.to_vec())),
        _ if pairs && rank.is_none() => {
            Err(ArrayError::NonNumeric("complex elements should be [re, im] pairs".to_owned()))
        }
        _ => Ok(array),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::codec::parse_json;
    use num_complex::Complex;

    pub(crate) fn expected(dtype: DType) -> Expected {
        Expected { dtype, rank: None, null_is_nan: false }
    }

    pub(crate) fn read(text: &str, dtype: DType) -> Array {
        decode(&parse_json(text.as_bytes()).unwrap(), expected(dtype)).unwrap()
    }

    /// How each of these is refused, a line each.
    pub(crate) fn refusals<T: AsRef<str>>(values: impl IntoIterator<Item = (T, DType)>) -> String {
        let line = |(text, dtype): (T, DType)| {
            let value = parse_json(text.as_ref().as_bytes()).unwrap();
            let error = decode(&value, expected(dtype)).unwrap_err();
            format!("{}: {error}", error.code())
        };
        values.into_iter().map(line).collect::<Vec<_>>().join("\n")
    }
    #[test]
    fn lists_have_a_dtype_of_their_own() {
        use DType::{Bool, Complex128, Float32, Float64, Int32, Int64, Uint64};
        assert_eq!(read("[[1, 2], [3, 4]]", Int32), Array::new(&[2, 2], vec![1i32, 2, 3, 4]));
        assert_eq!(read("[1, 2.5, true]", Float64), Array::from(vec![1.0, 2.5, 1.0]));
        assert_eq!(read("[true, false]", Int64), Array::new(&[2], vec![1i64, 0]));
        assert_eq!(read("[true, false]", Bool), Array::from_bytes(Bool, &[2], &[1, 0]).unwrap());
        assert_eq!(read("[18446744073709551615, 0]", Uint64), Array::new(&[2], vec![u64::MAX, 0]));
        assert_eq!(read("[9223372036854775807]", Int64), Array::new(&[1], vec![i64::MAX]));
        assert_eq!(read("[18446744073709551615, -1]", Float64), Array::from(vec![u64::MAX as f64, -1.0]));
        assert_eq!(
            read("[Infinity, -Infinity, 1]", Float32),
            Array::new(&[3], vec![f32::INFINITY, f32::NEG_INFINITY, 1.0])
        );
        assert_eq!(read("[[], []]", Int32), Array::zeros(Int32, &[2, 0]));
        assert_eq!(read("[1]", Float64), Array::from(vec![1.0]));
        assert_eq!(read("[[1, 2]]", Complex128), Array::new(&[1], vec![Complex::new(1.0, 2.0)]));
        let refused = [("[0.0, 1.0]", Int32), ("[1, 0]", Bool), ("[1, 300]", DType::Uint8), ("[1e300]", Float32)];
        insta::assert_snapshot!(refusals(refused), @"
        array_dtype_mismatch: Array dtype 'float64' cannot be safely cast to 'int32'
        array_dtype_mismatch: Array dtype 'int64' cannot be safely cast to 'bool'
        array_value_out_of_range: Array values do not fit into dtype 'uint8' (e.g. 300)
        array_value_out_of_range: Array values do not fit into dtype 'float32' (e.g. 1e300)
        ");
    }

    #[test]
    fn scalars_may_be_whole_floats() {
        assert_eq!(read("99.0", DType::Int64), Array::new(&[], vec![99i64]));
        assert_eq!(read("1e19", DType::Uint64), Array::new(&[], vec![10_000_000_000_000_000_000u64]));
        assert_eq!(read("true", DType::Float64), Array::scalar(1.0));
        assert_eq!(read("3", DType::Complex64), Array::new(&[], vec![Complex::new(3f32, 0.0)]));
        assert!(read("NaN", DType::Float64).to_vec()[0].is_nan());
        let refused = [("99.5", DType::Int64), ("NaN", DType::Int64), ("1e30", DType::Int64)];
        insta::assert_snapshot!(refusals(refused), @"
        array_dtype_mismatch: Array dtype 'float64' cannot be safely cast to 'int64'
        array_dtype_mismatch: Array dtype 'float64' cannot be safely cast to 'int64'
        array_dtype_mismatch: Array dtype 'float64' cannot be safely cast to 'int64'
        ");
    }

    #[test]
    fn what_is_no_number_is_named() {
        let refused = [
            ("null", DType::Float64),
            ("\"1.5\"", DType::Float64),
            ("[[1, 2], [3, null]]", DType::Float64),
            ("[[1, 2], [3, \"x\"]]", DType::Float64),
            ("[{}]", DType::Float64),
            ("[[1, 2], [3]]", DType::Float64),
            ("[[1, 2], 3]", DType::Float64),
            ("[1, [2]]", DType::Float64),
            ("[[], 5]", DType::Float64),
            ("[1, 2, 3]", DType::Complex64),
        ];
        insta::assert_snapshot!(refusals(refused), @r#"
        array_non_numeric: Could not parse value as a numeric array (contains non-numeric data): null
        array_non_numeric: Could not parse value as a numeric array (contains non-numeric data): the text "1.5"
        array_non_numeric: Could not parse value as a numeric array (contains non-numeric data): null at [1, 1]
        array_non_numeric: Could not parse value as a numeric array (contains non-numeric data): the text "x" at [1, 1]
        array_non_numeric: Could not parse value as a numeric array (contains non-numeric data): an object at [0]
        value_error: Value error, setting an array element with a sequence: the list is ragged at [1]
        value_error: Value error, setting an array element with a sequence: the list is ragged at [1]
        value_error: Value error, setting an array element with a sequence: the list is ragged at [1]
        value_error: Value error, setting an array element with a sequence: the list is ragged at [1]
        array_non_numeric: Could not parse value as a numeric array (contains non-numeric data): complex elements should be [re, im] pairs
        "#);
    }

    #[test]
    fn null_is_nan_only_where_models_speak() {
        let lenient = Expected { null_is_nan: true, ..expected(DType::Float64) };
        let array = decode(&serde_json::json!([1.5, null]), lenient).unwrap();
        assert!(array.to_vec()[0] == 1.5 && array.to_vec()[1].is_nan());
        assert!(decode(&Value::Null, lenient).unwrap().to_vec()[0].is_nan());
    }

    #[test]
    fn rank_tells_pairs_from_reals() {
        let complex = |text: &str, rank| {
            let expected = Expected { dtype: DType::Complex128, rank: Some(rank), null_is_nan: false };
            decode(&parse_json(text.as_bytes()).unwrap(), expected).unwrap()
        };
        let (z, one) = (Complex::new(1.0, 2.0), Complex::new(1.0, 0.0));
        assert_eq!(complex("[1, 2]", 0), Array::new(&[], vec![z]));
        assert_eq!(complex("[1, 2]", 1), Array::new(&[2], vec![one, one * 2.0]));
        assert_eq!(complex("[[1, 2]]", 1), Array::new(&[1], vec![z]));
        assert_eq!(complex("[]", 1), Array::zeros(DType::Complex128, &[0]));
    }
}
