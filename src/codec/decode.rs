//! JSON values to arrays: Tesseract array objects, nested lists, bare numbers.
//!
//! Not shapes: whether a model wants an array of this shape is `schema`'s to say.

use std::io::Read;

use base64_simd::{Out, STANDARD};
use lz4_flex::frame::FrameDecoder;
use serde_json::{Map, Value};

use crate::tree::{Array, DType, Kind};

use super::cast::{cast, integral};
use super::nested::gather;
use super::ArrayError;

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
        Value::Array(_) => {
            let array = gather(value, expected.null_is_nan)?;
            cast(if dtype.is_complex() { complex(array, expected.rank)? } else { array }, dtype)
        }
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

fn malformed<T>(reason: impl Into<String>) -> Result<T, ArrayError> {
    Err(ArrayError::NonNumeric(reason.into()))
}

fn only_keys(object: &Map<String, Value>, known: &[&str], what: &str) -> Result<(), ArrayError> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => malformed(format!("unexpected key '{key}' in {what}, which has {}", known.join(", "))),
        None => Ok(()),
    }
}

/// `{"object_type"?, "shape", "dtype", "data": {"buffer", "encoding", "compression"?}}`
fn array_object(object: &Map<String, Value>) -> Result<Array, ArrayError> {
    only_keys(object, &["object_type", "shape", "dtype", "data"], "an array object")?;
    if object.get("object_type").is_some_and(|kind| kind != "array") {
        return malformed("'object_type' is not \"array\"");
    }
    let shape = read_shape(object.get("shape"))?;
    let dtype = read_dtype(object.get("dtype"))?;
    let Some(Value::Object(data)) = object.get("data") else {
        return malformed("an array object needs 'data' with a buffer and its encoding");
    };
    only_keys(data, &["buffer", "encoding", "compression"], "the data of an array object")?;
    let Some(buffer) = data.get("buffer") else {
        return malformed("the data of an array object needs a 'buffer'");
    };
    let compression = data.get("compression").filter(|compression| !compression.is_null());
    match (data.get("encoding").and_then(Value::as_str), compression.map(Value::as_str)) {
        (Some("json"), None) => json_buffer(buffer, dtype, &shape),
        (Some("base64"), None) => base64_buffer(buffer, dtype, &shape),
        (Some("base64"), Some(Some("lz4"))) => lz4_buffer(buffer, dtype, &shape),
        (Some("json" | "base64"), Some(_)) => malformed("'compression' is null, or \"lz4\" with base64"),
        (Some("raw"), _) => malformed("encoding \"raw\" is the old name of \"json\""),
        (Some("binref"), _) => malformed("encoding \"binref\" is not read here: send \"base64\" or \"json\""),
        _ => malformed("'encoding' is none of \"json\", \"base64\""),
    }
}

pub(crate) fn read_dtype(value: Option<&Value>) -> Result<DType, ArrayError> {
    match value.and_then(Value::as_str) {
        Some(name) => name.parse().or_else(malformed),
        None => malformed("an array object needs a 'dtype', a text"),
    }
}

/// The shape of an array object, small enough that its elements can be counted.
pub(crate) fn read_shape(value: Option<&Value>) -> Result<Vec<usize>, ArrayError> {
    // An array without elements costs nothing to send whatever its other dimensions are, but not
    // so little to write as nested lists.
    const ROWS_OF_NOTHING: usize = 1 << 24;
    let dimension = |value: &Value| value.as_u64().and_then(|length| usize::try_from(length).ok());
    let Some(shape) = value.and_then(Value::as_array).and_then(|shape| shape.iter().map(dimension).collect()) else {
        return malformed("an array object needs a 'shape', a list of lengths");
    };
    let shape: Vec<usize> = shape;
    let rows = shape.iter().filter(|&&length| length > 0).try_fold(1usize, |n, &length| n.checked_mul(length));
    let limit = if shape.contains(&0) { ROWS_OF_NOTHING } else { isize::MAX as usize / 16 };
    match rows {
        Some(rows) if rows <= limit => Ok(shape),
        _ => malformed(format!("an array of shape {shape:?} is too large")),
    }
}

fn count(shape: &[usize]) -> usize {
    shape.iter().product()
}

fn json_buffer(buffer: &Value, dtype: DType, shape: &[usize]) -> Result<Array, ArrayError> {
    let fail = |reason: String| ArrayError::Undecodable { encoding: "json", reason };
    let promised = count(shape) * dtype.coordinates();
    let array = gather(buffer, true).map_err(|error| match error {
        ArrayError::Ragged { at } => fail(format!("the list is ragged at {at:?}")),
        other => other,
    })?;
    if array.len() != promised {
        let pairs = if dtype.is_complex() { " (as re, im)" } else { "" };
        return Err(fail(format!("{} numbers for shape {shape:?}, which has {promised}{pairs}", array.len())));
    }
    if dtype.is_complex() {
        return cast(Array::from_coordinates(DType::Complex128, shape, &array.to_vec()), dtype);
    }
    let array = array.reshaped(shape).ok_or_else(|| fail(format!("the buffer is not of shape {shape:?}")))?;
    if dtype.kind() == Kind::Integer && array.dtype() == DType::Float64 && !array.is_empty() {
        return cast(integral(&array, dtype)?, dtype);
    }
    cast(array, dtype)
}

fn base64_text(buffer: &Value) -> Result<&[u8], ArrayError> {
    match buffer {
        Value::String(text) => Ok(text.as_bytes()),
        _ => malformed("a base64 buffer is a text"),
    }
}

fn base64_buffer(buffer: &Value, dtype: DType, shape: &[usize]) -> Result<Array, ArrayError> {
    let fail = |reason: String| ArrayError::Undecodable { encoding: "base64", reason };
    let text = base64_text(buffer)?;
    let promised = count(shape) * dtype.size();
    let found = STANDARD.decoded_length(text).map_err(|_| fail("not base64".to_owned()))?;
    if found != promised {
        return Err(fail(format!("{found} bytes for {dtype}{shape:?}, which has {promised}")));
    }
    let mut array = Array::zeros(dtype, shape);
    STANDARD
        .decode(text, Out::from_slice(array.bytes_mut()))
        .map_err(|_| fail("not base64".to_owned()))?;
    well_formed(array, "base64")
}

fn lz4_buffer(buffer: &Value, dtype: DType, shape: &[usize]) -> Result<Array, ArrayError> {
    let fail = |reason: String| ArrayError::Undecodable { encoding: "base64", reason };
    let promised = count(shape) * dtype.size();
    let compressed = STANDARD.decode_to_vec(base64_text(buffer)?).map_err(|_| fail("not base64".to_owned()))?;
    // No byte of an LZ4 frame stands for more than 255: a larger promise is not worth its memory.
    if promised / 255 > compressed.len() {
        return Err(fail(format!("{} bytes of lz4 cannot hold {dtype}{shape:?}", compressed.len())));
    }
    let mut array = Array::zeros(dtype, shape);
    let mut frame = FrameDecoder::new(&compressed[..]);
    frame
        .read_exact(array.bytes_mut())
        .map_err(|error| fail(format!("lz4 frame for {dtype}{shape:?}: {error}")))?;
    match frame.read(&mut [0]) {
        Ok(0) => well_formed(array, "base64"),
        Ok(_) => Err(fail(format!("the lz4 frame holds more than {dtype}{shape:?}, {promised} bytes"))),
        Err(error) => Err(fail(format!("lz4 frame: {error}"))),
    }
}

/// Every byte pattern is a number, but not every one a boolean.
fn well_formed(array: Array, encoding: &'static str) -> Result<Array, ArrayError> {
    if array.dtype() == DType::Bool && array.bytes().iter().any(|&byte| byte > 1) {
        return Err(ArrayError::Undecodable { encoding, reason: "a boolean is neither 0 nor 1".to_owned() });
    }
    Ok(array)
}
