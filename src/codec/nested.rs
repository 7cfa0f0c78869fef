//! Nested JSON lists of numbers as arrays, with the dtype they have of themselves.
//!
//! What dtype they should have is not asked here (`cast`).

use serde_json::Value;

use crate::tree::{Array, DType};

use super::ArrayError;
use super::json::non_finite;

/// The array of a number, a boolean, or nested lists of them: all booleans give bool, all integers
/// int64 (uint64 where that is too small), any other number float64. `null` is NaN if `null_is_nan`.
pub(super) fn gather(value: &Value, null_is_nan: bool) -> Result<Array, ArrayError> {
    let mut survey = Survey::of(shape_of(value), null_is_nan);
    survey.visit(value, 0)?;
    let Survey { shape, numbers, booleans, negatives, huge, floats, .. } = survey;
    let count = shape.iter().product();
    Ok(if floats || (negatives && huge) || !(numbers || booleans) {
        Array::new(&shape, fill(value, count, &float))
    } else if huge {
        Array::new(
            &shape,
            fill(value, count, &|value| value.as_u64().unwrap_or(u64::from(*value == Value::Bool(true)))),
        )
    } else if numbers {
        Array::new(
            &shape,
            fill(value, count, &|value| value.as_i64().unwrap_or(i64::from(*value == Value::Bool(true)))),
        )
    } else {
        let bytes: Vec<u8> = fill(value, count, &|value| u8::from(*value == Value::Bool(true)));
        let mut array = Array::zeros(DType::Bool, &shape);
        array.bytes_mut().copy_from_slice(&bytes);
        array
    })
}

/// The dimensions of nested lists, going by the first element of each.
fn shape_of(value: &Value) -> Vec<usize> {
    let mut shape = Vec::new();
    let mut next = Some(value);
    while let Some(Value::Array(items)) = next {
        shape.push(items.len());
        next = items.first();
    }
    shape
}

fn float(value: &Value) -> f64 {
    match value {
        Value::Number(number) => number.as_f64().unwrap_or(f64::NAN),
        Value::Bool(flag) => f64::from(u8::from(*flag)),
        Value::String(text) => non_finite(text).unwrap_or(f64::NAN),
        _ => f64::NAN,
    }
}

fn fill<T>(value: &Value, count: usize, element: &impl Fn(&Value) -> T) -> Vec<T> {
    fn descend<T>(value: &Value, out: &mut Vec<T>, element: &impl Fn(&Value) -> T) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| descend(item, out, element)),
            scalar => out.push(element(scalar)),
        }
    }
    let mut out = Vec::with_capacity(count);
    descend(value, &mut out, element);
    out
}

/// What kinds of elements there are, once it is known that rows have equal lengths.
struct Survey {
    shape: Vec<usize>,
    null_is_nan: bool,
    at: Vec<usize>,
    booleans: bool,
    numbers: bool,
    negatives: bool,
    huge: bool,
    floats: bool,
}

impl Survey {
    fn of(shape: Vec<usize>, null_is_nan: bool) -> Survey {
        let at = vec![0; shape.len()];
        Survey { shape, null_is_nan, at, booleans: false, numbers: false, negatives: false, huge: false, floats: false }
    }

    fn visit(&mut self, value: &Value, depth: usize) -> Result<(), ArrayError> {
        match value {
            Value::Array(items) => {
                if self.shape.get(depth) != Some(&items.len()) {
                    return Err(self.ragged(depth));
                }
                for (index, item) in items.iter().enumerate() {
                    self.at[depth] = index;
                    self.visit(item, depth + 1)?;
                }
                return Ok(());
            }
            Value::Bool(_) => self.booleans = true,
            Value::Number(number) => {
                self.numbers = true;
                match (number.as_i64(), number.as_u64()) {
                    (Some(integer), _) => self.negatives |= integer < 0,
                    (None, Some(_)) => self.huge = true,
                    (None, None) => self.floats = true,
                }
            }
            Value::Null if self.null_is_nan => self.floats = true,
            Value::String(text) if non_finite(text).is_some() => self.floats = true,
            Value::Null => return Err(self.non_numeric(depth, "null")),
            Value::String(text) => {
                let shown: String = text.chars().take(20).collect();
                return Err(self.non_numeric(depth, &format!("the text {shown:?}")));
            }
            Value::Object(_) => return Err(self.non_numeric(depth, "an object")),
        }
        if depth == self.shape.len() { Ok(()) } else { Err(self.ragged(depth)) }
    }

    fn ragged(&self, depth: usize) -> ArrayError {
        ArrayError::Ragged { at: self.at[..depth.min(self.at.len())].to_vec() }
    }

    fn non_numeric(&self, depth: usize, what: &str) -> ArrayError {
        let at = &self.at[..depth.min(self.at.len())];
        ArrayError::NonNumeric(if at.is_empty() { what.to_owned() } else { format!("{what} at {at:?}") })
    }
}
