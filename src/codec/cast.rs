//! From one dtype to another, as numpy's `same_kind` allows it and only if the values fit.
//!
//! Not the reading of JSON numbers (`nested`).

use crate::tree::{Array, DType, Element, Kind};

use super::ArrayError;

/// Runs a body with `$T` bound to the integer type of a dtype (booleans are bytes).
macro_rules! with_integer {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            DType::Int8 => {
                type $T = i8;
                $body
            }
            DType::Int16 => {
                type $T = i16;
                $body
            }
            DType::Int32 => {
                type $T = i32;
                $body
            }
            DType::Int64 => {
                type $T = i64;
                $body
            }
            DType::Uint8 | DType::Bool => {
                type $T = u8;
                $body
            }
            DType::Uint16 => {
                type $T = u16;
                $body
            }
            DType::Uint32 => {
                type $T = u32;
                $body
            }
            DType::Uint64 => {
                type $T = u64;
                $body
            }
            other => unreachable!("{other} is no integer"),
        }
    };
}

/// The array with elements of another dtype: bool to integer to float to complex upward, within a
/// kind also to smaller ones. Values that do not fit are refused, lost decimals are not.
/// (An array without elements may become anything.)
pub fn cast(array: Array, to: DType) -> Result<Array, ArrayError> {
    let from = array.dtype();
    if from == to {
        return Ok(array);
    }
    if array.is_empty() {
        return Ok(Array::zeros(to, array.shape()));
    }
    castable(from, to)?;
    match to.kind() {
        Kind::Bool | Kind::Integer => {
            with_integer!(from, S => with_integer!(to, T => integers::<S, T>(&array)))
        }
        Kind::Float | Kind::Complex => coordinates(&array, to),
    }
}

/// Whether a cast is allowed at all, values aside.
pub(crate) fn castable(from: DType, to: DType) -> Result<(), ArrayError> {
    if from.kind() <= to.kind() { Ok(()) } else { Err(ArrayError::DtypeMismatch { from, to }) }
}

fn integers<S, T>(array: &Array) -> Result<Array, ArrayError>
where
    S: Element + std::fmt::Display,
    T: Element + TryFrom<S>,
{
    let values = array.as_slice::<S>().unwrap_or_default().iter().map(|&value| {
        T::try_from(value).map_err(|_| ArrayError::OutOfRange { to: T::DTYPE, example: value.to_string() })
    });
    Ok(Array::new(array.shape(), values.collect::<Result<Vec<T>, _>>()?))
}

fn coordinates(array: &Array, to: DType) -> Result<Array, ArrayError> {
    let mut values = array.to_vec();
    if to.is_complex() && !array.dtype().is_complex() {
        values = values.into_iter().flat_map(|re| [re, 0.0]).collect();
    }
    let result = Array::from_coordinates(to, array.shape(), &values);
    if to.significand_bits() < 53 {
        let overflow =
            values.iter().zip(result.to_vec()).find(|(before, after)| before.is_finite() && !after.is_finite());
        if let Some((before, _)) = overflow {
            return Err(ArrayError::OutOfRange { to, example: format!("{before:?}") });
        }
    }
    Ok(result)
}

/// The integers that floating-point numbers stand for, if all do.
pub(super) fn integral(array: &Array, to: DType) -> Result<Array, ArrayError> {
    let values = array.to_vec();
    if let Some(&found) = values.iter().find(|value| !(value.is_finite() && value.fract() == 0.0)) {
        return Err(ArrayError::ExpectedInteger { to, found });
    }
    // 2^63 and 2^64 are the first floats beyond the range.
    let outside = |low: f64, high: f64| values.iter().find(|&&value| value < low || value >= high);
    if outside(-(2f64.powi(63)), 2f64.powi(63)).is_none() {
        return Ok(Array::new(array.shape(), values.iter().map(|&value| value as i64).collect()));
    }
    match outside(0.0, 2f64.powi(64)) {
        None => Ok(Array::new(array.shape(), values.iter().map(|&value| value as u64).collect())),
        Some(value) => Err(ArrayError::OutOfRange { to, example: format!("{value:?}") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;
    use num_complex::Complex;

    /// How each of these is refused, a line each.
    fn refusals(casts: impl IntoIterator<Item = (Array, DType)>) -> String {
        let line = |(array, to)| {
            let error = cast(array, to).unwrap_err();
            format!("{}: {error}", error.code())
        };
        casts.into_iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn upward_without_asking() {
        let flags = Array::from_bytes(DType::Bool, &[2], &[0, 1]).unwrap();
        assert_eq!(cast(flags.clone(), DType::Int16).unwrap(), Array::new(&[2], vec![0i16, 1]));
        assert_eq!(cast(flags, DType::Float32).unwrap(), Array::new(&[2], vec![0f32, 1.0]));
        let integers = Array::new(&[1], vec![-3i64]);
        assert_eq!(cast(integers, DType::Complex64).unwrap(), Array::new(&[1], vec![Complex::new(-3f32, 0.0)]));
        let half = Array::new(&[1], vec![f16::from_f32(0.5)]);
        assert_eq!(cast(half, DType::Float64).unwrap(), Array::from(vec![0.5]));
    }

    #[test]
    fn within_a_kind_if_the_values_fit() {
        assert_eq!(cast(Array::new(&[1], vec![200i64]), DType::Uint8).unwrap(), Array::new(&[1], vec![200u8]));
        assert_eq!(cast(Array::from(vec![0.1]), DType::Float32).unwrap(), Array::new(&[1], vec![0.1f32]));
        assert!(cast(Array::from(vec![f64::INFINITY, f64::NAN]), DType::Float16).is_ok());
        let refused = [
            (Array::new(&[2], vec![1i64, 300]), DType::Uint8),
            (Array::new(&[1], vec![-1i32]), DType::Uint64),
            (Array::new(&[1], vec![u64::MAX]), DType::Int64),
            (Array::from(vec![0.0, 1e39]), DType::Float32),
            (Array::new(&[1], vec![70000i32]), DType::Float16),
            (Array::new(&[1], vec![Complex::new(0.0, 1e300)]), DType::Complex64),
        ];
        insta::assert_snapshot!(refusals(refused), @"
        array_value_out_of_range: Array values do not fit into dtype 'uint8' (e.g. 300)
        array_value_out_of_range: Array values do not fit into dtype 'uint64' (e.g. -1)
        array_value_out_of_range: Array values do not fit into dtype 'int64' (e.g. 18446744073709551615)
        array_value_out_of_range: Array values do not fit into dtype 'float32' (e.g. 1e39)
        array_value_out_of_range: Array values do not fit into dtype 'float16' (e.g. 70000.0)
        array_value_out_of_range: Array values do not fit into dtype 'complex64' (e.g. 1e300)
        ");
    }

    #[test]
    fn never_downward() {
        let refused = [
            (Array::from(vec![1.0]), DType::Int32),
            (Array::new(&[1], vec![1i8]), DType::Bool),
            (Array::new(&[1], vec![Complex::new(1.0, 0.0)]), DType::Float64),
        ];
        insta::assert_snapshot!(refusals(refused), @"
        array_dtype_mismatch: Array dtype 'float64' cannot be safely cast to 'int32'
        array_dtype_mismatch: Array dtype 'int8' cannot be safely cast to 'bool'
        array_dtype_mismatch: Array dtype 'complex128' cannot be safely cast to 'float64'
        ");
        assert_eq!(
            cast(Array::zeros(DType::Float64, &[0, 2]), DType::Int32).unwrap(),
            Array::zeros(DType::Int32, &[0, 2])
        );
    }
}
