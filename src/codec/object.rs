//! Tesseract array objects: a shape, a dtype, and a buffer as JSON, base64, or base64 of LZ4.
//!
//! Not what dtype or shape was expected (`decode`, `schema`).

use std::io::Read;

use base64_simd::{Out, STANDARD};
use lz4_flex::frame::FrameDecoder;
use serde_json::{Map, Value};

use crate::tree::{Array, DType, Kind, element_count};

use super::ArrayError;
use super::cast::{cast, integral};
use super::nested::gather;

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
pub(super) fn array_object(object: &Map<String, Value>) -> Result<Array, ArrayError> {
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

/// As many as NumPy's arrays may have.
const MOST_DIMENSIONS: usize = 64;

/// The shape of an array object, small enough that its elements can be counted.
pub(crate) fn read_shape(value: Option<&Value>) -> Result<Vec<usize>, ArrayError> {
    let dimension = |value: &Value| value.as_u64().and_then(|length| usize::try_from(length).ok());
    let Some(shape) = value.and_then(Value::as_array).and_then(|shape| shape.iter().map(dimension).collect()) else {
        return malformed("an array object needs a 'shape', a list of lengths");
    };
    let shape: Vec<usize> = shape;
    if shape.len() > MOST_DIMENSIONS {
        return malformed(format!("its shape has {} dimensions, an array has at most {MOST_DIMENSIONS}", shape.len()));
    }
    // An array without elements costs nothing to send whatever its other dimensions are, but not
    // so little to write as nested lists.
    const ROWS_OF_NOTHING: usize = 1 << 24;
    let lengths: Vec<usize> = shape.iter().copied().filter(|&length| length > 0).collect();
    match element_count(&lengths) {
        Some(rows) if rows <= ROWS_OF_NOTHING || lengths.len() == shape.len() => Ok(shape),
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
    STANDARD.decode(text, Out::from_slice(array.bytes_mut())).map_err(|_| fail("not base64".to_owned()))?;
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
    frame.read_exact(array.bytes_mut()).map_err(|error| fail(format!("lz4 frame for {dtype}{shape:?}: {error}")))?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::decode::tests::{expected, read, refusals};
    use crate::codec::{decode, parse_json};
    use num_complex::Complex;
    use proptest::prelude::*;

    fn object(shape: &str, dtype: &str, buffer: &str, rest: &str) -> String {
        format!(r#"{{"shape":{shape},"dtype":"{dtype}","data":{{"buffer":{buffer},{rest}}}}}"#)
    }

    fn json(shape: &str, dtype: &str, buffer: &str) -> String {
        object(shape, dtype, buffer, r#""encoding":"json""#)
    }

    fn base64(shape: &str, dtype: &str, buffer: &str) -> String {
        object(shape, dtype, &format!("{buffer:?}"), r#""encoding":"base64""#)
    }

    #[test]
    fn json_buffers_are_reshaped_and_cast() {
        assert!(read(&json("[2]", "float64", "[1.5, null]"), DType::Float64).to_vec()[1].is_nan());
        assert_eq!(
            read(&json("[2, 2]", "int32", "[1, 2.0, 3, 4]"), DType::Int64),
            Array::new(&[2, 2], vec![1i64, 2, 3, 4])
        );
        assert_eq!(read(&json("[]", "float32", "0.5"), DType::Float64), Array::scalar(0.5));
        assert_eq!(
            read(&json("[1]", "complex64", "[[1, -1]]"), DType::Complex64),
            Array::new(&[1], vec![Complex::new(1f32, -1.0)])
        );
        let refused = [
            (&json("[1]", "int32", "[1.5]"), DType::Int32),
            (&json("[1]", "int32", "[null]"), DType::Int32),
            (&json("[3]", "int32", "[1]"), DType::Int32),
            (&json("[2, 2]", "int32", "[[1, 2, 3], [4]]"), DType::Int32),
            (&json("[1]", "int8", "[300]"), DType::Int32),
            (&json("[1]", "float64", "[1]"), DType::Int32),
            (&json("[2]", "complex64", "[[1, -1]]"), DType::Complex64),
            (&object("[1]", "int8", "[1]", r#""encoding":"json","compression":"lz4""#), DType::Int8),
        ];
        insta::assert_snapshot!(refusals(refused), @r#"
        array_expected_integer: Array of dtype 'int32' expects integers, found 1.5
        array_expected_integer: Array of dtype 'int32' expects integers, found NaN
        array_decode_error: Failed to decode array buffer (json encoding): 1 numbers for shape [3], which has 3
        array_decode_error: Failed to decode array buffer (json encoding): the list is ragged at [1]
        array_value_out_of_range: Array values do not fit into dtype 'int8' (e.g. 300)
        array_dtype_mismatch: Array dtype 'float64' cannot be safely cast to 'int32'
        array_decode_error: Failed to decode array buffer (json encoding): 2 numbers for shape [2], which has 4 (as re, im)
        array_non_numeric: Could not parse value as a numeric array (contains non-numeric data): 'compression' is null, or "lz4" with base64
        "#);
    }

    #[test]
    fn base64_is_strict() {
        assert_eq!(read(&base64("[2]", "float32", "AACAPwAAAEA="), DType::Float64), Array::from(vec![1.0, 2.0]));
        let refused = [
            (&base64("[3]", "float32", "AACAPwAAAEA="), DType::Float64),
            (&base64("[2]", "float32", "AACAPwAAAEA"), DType::Float64),
            (&base64("[2]", "float32", "AACAPwAA\\nAEA="), DType::Float64),
            (&base64("[2]", "float32", "AACAPwAA-EA="), DType::Float64),
            (&base64("[3]", "bool", "AAEC"), DType::Bool),
            (&base64("[4611686018427387904, 8]", "int8", ""), DType::Int8),
            (&base64("[4611686018427387904, 0]", "int8", ""), DType::Int8),
        ];
        insta::assert_snapshot!(refusals(refused), @"
        array_decode_error: Failed to decode array buffer (base64 encoding): 8 bytes for float32[3], which has 12
        array_decode_error: Failed to decode array buffer (base64 encoding): not base64
        array_decode_error: Failed to decode array buffer (base64 encoding): not base64
        array_decode_error: Failed to decode array buffer (base64 encoding): not base64
        array_decode_error: Failed to decode array buffer (base64 encoding): a boolean is neither 0 nor 1
        array_non_numeric: Could not parse value as a numeric array (contains non-numeric data): an array of shape [4611686018427387904, 8] is too large
        array_non_numeric: Could not parse value as a numeric array (contains non-numeric data): an array of shape [4611686018427387904, 0] is too large
        ");
    }

    #[test]
    fn lz4_frames_hold_what_was_promised() {
        let lz4 = |shape: &str, bytes: &[u8]| {
            let mut frame = lz4_flex::frame::FrameEncoder::new(Vec::new());
            std::io::Write::write_all(&mut frame, bytes).unwrap();
            let buffer = format!("{:?}", STANDARD.encode_to_string(frame.finish().unwrap()));
            object(shape, "uint8", &buffer, r#""encoding":"base64","compression":"lz4""#)
        };
        assert_eq!(read(&lz4("[3]", &[1, 2, 3]), DType::Uint8), Array::new(&[3], vec![1u8, 2, 3]));
        assert_eq!(read(&lz4("[0]", &[]), DType::Uint8), Array::zeros(DType::Uint8, &[0]));
        assert_eq!(
            read(&lz4("[1000000]", &[7; 1_000_000]), DType::Uint8),
            Array::new(&[1_000_000], vec![7u8; 1_000_000])
        );
        let refused = [
            (&lz4("[2]", &[1, 2, 3]), DType::Uint8),
            (&lz4("[4]", &[1, 2, 3]), DType::Uint8),
            (&lz4("[1000000000000]", &[1, 2, 3]), DType::Uint8),
            (&object("[1]", "int8", "\"AA==\"", r#""encoding":"base64","compression":"lz4""#), DType::Int8),
            (&object("[1]", "int8", "\"AA==\"", r#""encoding":"base64","compression":"zip""#), DType::Int8),
        ];
        insta::assert_snapshot!(refusals(refused), @r#"
        array_decode_error: Failed to decode array buffer (base64 encoding): the lz4 frame holds more than uint8[2], 2 bytes
        array_decode_error: Failed to decode array buffer (base64 encoding): lz4 frame for uint8[4]: failed to fill whole buffer
        array_decode_error: Failed to decode array buffer (base64 encoding): 18 bytes of lz4 cannot hold uint8[1000000000000]
        array_decode_error: Failed to decode array buffer (base64 encoding): lz4 frame for int8[1]: failed to fill whole buffer
        array_non_numeric: Could not parse value as a numeric array (contains non-numeric data): 'compression' is null, or "lz4" with base64
        "#);
    }

    #[test]
    fn array_objects_have_these_keys_and_no_others() {
        for (text, reason) in [
            (r#"{}"#, "'shape'"),
            (r#"{"shape":[1]}"#, "'dtype'"),
            (r#"{"shape":[-1],"dtype":"int8"}"#, "'shape'"),
            (r#"{"shape":[1],"dtype":"int7"}"#, "unknown dtype 'int7'"),
            (r#"{"shape":[1],"dtype":"int8"}"#, "'data'"),
            (r#"{"shape":[1],"dtype":"int8","data":{"encoding":"json"}}"#, "'buffer'"),
            (r#"{"shape":[1],"dtype":"int8","data":{"buffer":[1],"encoding":"raw"}}"#, "old name"),
            (
                r#"{"shape":[1],"dtype":"int8","data":{"buffer":"a.bin:0","encoding":"binref"}}"#,
                "\"binref\" is not read here",
            ),
            (r#"{"shape":[1],"dtype":"int8","data":{"buffer":[1],"encoding":"hex"}}"#, "none of"),
            (r#"{"shape":[1],"dtype":"int8","data":{"buffer":[1],"encoding":"json","x":1}}"#, "unexpected key 'x'"),
            (r#"{"shape":[1],"dtype":"int8","data":{"buffer":[1],"encoding":"json"},"y":1}"#, "unexpected key 'y'"),
            (
                r#"{"object_type":"tree","shape":[1],"dtype":"int8","data":{"buffer":[1],"encoding":"json"}}"#,
                "object_type",
            ),
            (r#"{"shape":[1],"dtype":"int8","data":{"buffer":1,"encoding":"base64"}}"#, "is a text"),
        ] {
            let refusal = refusals([(text, DType::Int8)]);
            assert!(refusal.starts_with("array_non_numeric: ") && refusal.contains(reason), "{text}: {refusal}");
        }
    }

    proptest! {
        #[test]
        fn garbage_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..64), n in any::<u32>(), lz4: bool) {
            let rest = if lz4 { r#""encoding":"base64","compression":"lz4""# } else { r#""encoding":"base64""# };
            // A frame's magic number and a plausible header, so that the body is reached.
            let bytes = [if lz4 { &[4u8, 0x22, 0x4d, 0x18, 0x40, 0x40, 0xc0][..] } else { &[] }, &bytes].concat();
            let buffer = format!("{:?}", STANDARD.encode_to_string(&bytes));
            let text = object(&format!("[{n}, 1000]"), "float64", &buffer, rest);
            let _ = decode(&parse_json(text.as_bytes()).unwrap(), expected(DType::Float64));
        }
    }
}
