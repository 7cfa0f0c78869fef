//! Trees, arrays and strided views to JSON text, straight into a byte buffer.
//!
//! Not a document model: nothing is built before it is written.

use std::borrow::Cow;
use std::io::Write;

use base64_simd::STANDARD;
use bytemuck::Pod;
use half::f16;
use lz4_flex::frame::FrameEncoder;
use ndarray::ArrayViewD;
use num_complex::Complex;
use serde_json::ser::{CompactFormatter, Formatter};

use crate::tree::{Abstract, Array, DType, Element, Tree};

/// How arrays are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Bare numbers and nested lists; `NaN` and `Infinity` as Python reads them; complex elements
    /// as `[re, im]`.
    Plain,
    /// Tesseract array objects with nested lists; what is not finite is `null`.
    Json,
    /// Tesseract array objects with base64 of the bytes.
    Base64,
    /// The same, the bytes compressed as an LZ4 frame first.
    Base64Lz4,
}

/// Writes a tree as JSON.
pub fn write_tree(out: &mut Vec<u8>, tree: &Tree, encoding: Encoding) {
    write_nodes(out, tree, &mut |out, array| write_array(out, array, encoding));
}

/// Writes a tree of which only dtypes and shapes are known: its leaves are `{"shape","dtype"}`.
pub fn write_abstract(out: &mut Vec<u8>, tree: &Tree<Abstract>) {
    write_nodes(out, tree, &mut |out, leaf| {
        out.extend_from_slice(b"{\"shape\":");
        write_shape(out, &leaf.shape);
        write_dtype(out, leaf.dtype);
        out.push(b'}');
    });
}

/// Writes an array.
pub fn write_array(out: &mut Vec<u8>, array: &Array, encoding: Encoding) {
    match array.dtype() {
        DType::Float16 => write_leaf::<f16>(out, array, encoding),
        DType::Float32 => write_leaf::<f32>(out, array, encoding),
        DType::Float64 => write_leaf::<f64>(out, array, encoding),
        DType::Int8 => write_leaf::<i8>(out, array, encoding),
        DType::Int16 => write_leaf::<i16>(out, array, encoding),
        DType::Int32 => write_leaf::<i32>(out, array, encoding),
        DType::Int64 => write_leaf::<i64>(out, array, encoding),
        DType::Uint8 => write_leaf::<u8>(out, array, encoding),
        DType::Uint16 => write_leaf::<u16>(out, array, encoding),
        DType::Uint32 => write_leaf::<u32>(out, array, encoding),
        DType::Uint64 => write_leaf::<u64>(out, array, encoding),
        DType::Complex64 => write_leaf::<Complex<f32>>(out, array, encoding),
        DType::Complex128 => write_leaf::<Complex<f64>>(out, array, encoding),
        DType::Bool => write_elements(out, DType::Bool, array.shape(), array.bytes(), encoding, &|out, byte, _| {
            out.extend_from_slice(if byte == 0 { b"false" } else { b"true" });
        }),
    }
}

fn write_leaf<T: Number>(out: &mut Vec<u8>, array: &Array, encoding: Encoding) {
    let values = array.as_slice::<T>().unwrap_or_default();
    write_elements(out, T::DTYPE, array.shape(), values, encoding, &|out, value, null| value.write(out, null));
}

/// Writes a view as an array, its elements in logical order whatever its strides.
pub fn write_view<T: Number>(out: &mut Vec<u8>, view: ArrayViewD<'_, T>, encoding: Encoding) {
    let values = match view.as_slice() {
        Some(values) => Cow::Borrowed(values),
        None => Cow::Owned(view.iter().copied().collect()),
    };
    write_elements(out, T::DTYPE, view.shape(), &values, encoding, &|out, value, null| value.write(out, null));
}

/// An element that JSON can hold.
pub trait Number: Element {
    /// Writes it; where it is not finite, as `null` or as Python's literal.
    fn write(self, out: &mut Vec<u8>, non_finite_is_null: bool);
}

/// Writes one number.
pub(crate) fn write_float(out: &mut Vec<u8>, value: f64, non_finite_is_null: bool) {
    if value.is_finite() {
        CompactFormatter.write_f64(out, value).expect("memory takes every write");
    } else {
        let literal = match value {
            _ if non_finite_is_null => "null",
            f64::INFINITY => "Infinity",
            f64::NEG_INFINITY => "-Infinity",
            _ => "NaN",
        };
        out.extend_from_slice(literal.as_bytes());
    }
}

macro_rules! numbers {
    ($($type:ty: |$out:ident, $value:ident, $null:ident| $body:expr),* $(,)?) => {
        $(impl Number for $type {
            fn write(self, $out: &mut Vec<u8>, $null: bool) {
                let $value = self;
                $body
            }
        })*
    };
}
numbers! {
    f64: |out, value, null| write_float(out, value, null),
    f32: |out, value, null| write_float(out, f64::from(value), null),
    f16: |out, value, null| write_float(out, f64::from(value), null),
    i8: |out, value, _null| write_signed(out, i64::from(value)),
    i16: |out, value, _null| write_signed(out, i64::from(value)),
    i32: |out, value, _null| write_signed(out, i64::from(value)),
    i64: |out, value, _null| write_signed(out, value),
    u8: |out, value, _null| write_unsigned(out, u64::from(value)),
    u16: |out, value, _null| write_unsigned(out, u64::from(value)),
    u32: |out, value, _null| write_unsigned(out, u64::from(value)),
    u64: |out, value, _null| write_unsigned(out, value),
    Complex<f32>: |out, value, null| write_pair(out, f64::from(value.re), f64::from(value.im), null),
    Complex<f64>: |out, value, null| write_pair(out, value.re, value.im, null),
}

fn write_signed(out: &mut Vec<u8>, value: i64) {
    CompactFormatter.write_i64(out, value).expect("memory takes every write");
}

fn write_unsigned(out: &mut Vec<u8>, value: u64) {
    CompactFormatter.write_u64(out, value).expect("memory takes every write");
}

fn write_pair(out: &mut Vec<u8>, re: f64, im: f64, non_finite_is_null: bool) {
    out.push(b'[');
    write_float(out, re, non_finite_is_null);
    out.push(b',');
    write_float(out, im, non_finite_is_null);
    out.push(b']');
}

fn write_elements<T: Pod>(
    out: &mut Vec<u8>,
    dtype: DType,
    shape: &[usize],
    values: &[T],
    encoding: Encoding,
    write: &impl Fn(&mut Vec<u8>, T, bool),
) {
    if encoding == Encoding::Plain {
        return write_nested(out, shape, &mut values.iter(), &|out, value| write(out, value, false));
    }
    out.extend_from_slice(b"{\"object_type\":\"array\",\"shape\":");
    write_shape(out, shape);
    write_dtype(out, dtype);
    out.extend_from_slice(b",\"data\":{\"buffer\":");
    let bytes = bytemuck::cast_slice(values);
    let tail: &[u8] = match encoding {
        Encoding::Plain | Encoding::Json => {
            write_nested(out, shape, &mut values.iter(), &|out, value| write(out, value, true));
            b",\"encoding\":\"json\"}}"
        }
        Encoding::Base64 => {
            write_base64(out, bytes);
            b",\"encoding\":\"base64\"}}"
        }
        Encoding::Base64Lz4 => {
            write_base64(out, &lz4(bytes));
            b",\"encoding\":\"base64\",\"compression\":\"lz4\"}}"
        }
    };
    out.extend_from_slice(tail);
}

/// Writes an array object whose bytes are in a file, named by `buffer`.
pub(crate) fn write_reference(out: &mut Vec<u8>, dtype: DType, shape: &[usize], buffer: &str, lz4: bool) {
    out.extend_from_slice(b"{\"object_type\":\"array\",\"shape\":");
    write_shape(out, shape);
    write_dtype(out, dtype);
    out.extend_from_slice(b",\"data\":{\"buffer\":");
    serde_json::to_writer(&mut *out, buffer).expect("memory takes every write");
    out.extend_from_slice(b",\"encoding\":\"binref\"");
    out.extend_from_slice(if lz4 { b",\"compression\":\"lz4\"}}" } else { b"}}" });
}

/// Writes nested lists of the given lengths, element by element.
pub(crate) fn write_nested<'v, T: Copy + 'v>(
    out: &mut Vec<u8>,
    shape: &[usize],
    values: &mut std::slice::Iter<'v, T>,
    write: &impl Fn(&mut Vec<u8>, T),
) {
    let Some((&length, inner)) = shape.split_first() else {
        return values.next().into_iter().for_each(|&value| write(out, value));
    };
    out.push(b'[');
    for index in 0..length {
        if index > 0 {
            out.push(b',');
        }
        write_nested(out, inner, values, write);
    }
    out.push(b']');
}

fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    STANDARD.encode_append(bytes, out);
    out.push(b'"');
}

/// An LZ4 frame of the bytes.
pub(crate) fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut frame = FrameEncoder::new(Vec::new());
    frame.write_all(bytes).expect("memory takes every write");
    frame.finish().expect("memory takes every write")
}

fn write_shape(out: &mut Vec<u8>, shape: &[usize]) {
    write_nested(out, &[shape.len()], &mut shape.iter(), &|out, length| write_unsigned(out, length as u64));
}

fn write_dtype(out: &mut Vec<u8>, dtype: DType) {
    out.extend_from_slice(b",\"dtype\":\"");
    out.extend_from_slice(dtype.name().as_bytes());
    out.push(b'"');
}

/// Writes a tree, its leaves as `leaf` does.
pub(crate) fn write_nodes<A>(out: &mut Vec<u8>, tree: &Tree<A>, leaf: &mut impl FnMut(&mut Vec<u8>, &A)) {
    match tree {
        Tree::Leaf(array) => leaf(out, array),
        Tree::Text(text) => out.extend_from_slice(text.as_bytes()),
        Tree::Struct(map) | Tree::Dict(map) => {
            out.push(b'{');
            for (index, (key, child)) in map.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                serde_json::to_writer(&mut *out, key).expect("memory takes every write");
                out.push(b':');
                write_nodes(out, child, leaf);
            }
            out.push(b'}');
        }
        Tree::List(items) => {
            out.push(b'[');
            for (index, child) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_nodes(out, child, leaf);
            }
            out.push(b']');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Expected, decode, parse_json};
    use ndarray::{ArrayD, Axis};
    use proptest::prelude::*;

    fn text(array: &Array, encoding: Encoding) -> String {
        let mut out = Vec::new();
        write_array(&mut out, array, encoding);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_encoding_has_its_form() {
        let array = Array::new(&[2, 2], vec![1.0, f64::NAN, f64::INFINITY, -0.5]);
        insta::assert_snapshot!(text(&array, Encoding::Plain), @"[[1.0,NaN],[Infinity,-0.5]]");
        insta::assert_snapshot!(text(&array, Encoding::Json), @r#"{"object_type":"array","shape":[2,2],"dtype":"float64","data":{"buffer":[[1.0,null],[null,-0.5]],"encoding":"json"}}"#);
        insta::assert_snapshot!(text(&array, Encoding::Base64), @r#"{"object_type":"array","shape":[2,2],"dtype":"float64","data":{"buffer":"AAAAAAAA8D8AAAAAAAD4fwAAAAAAAPB/AAAAAAAA4L8=","encoding":"base64"}}"#);
        insta::assert_snapshot!(text(&Array::new(&[2], vec![1u8, 2]), Encoding::Base64Lz4), @r#"{"object_type":"array","shape":[2],"dtype":"uint8","data":{"buffer":"BCJNGGBAggIAAIABAgAAAAA=","encoding":"base64","compression":"lz4"}}"#);
        insta::assert_snapshot!(text(&Array::scalar(1.0), Encoding::Json), @r#"{"object_type":"array","shape":[],"dtype":"float64","data":{"buffer":1.0,"encoding":"json"}}"#);
        insta::assert_snapshot!(text(&Array::new(&[1], vec![Complex::new(1f32, f32::NAN)]), Encoding::Json), @r#"{"object_type":"array","shape":[1],"dtype":"complex64","data":{"buffer":[[1.0,null]],"encoding":"json"}}"#);
        insta::assert_snapshot!(text(&Array::from_bytes(DType::Bool, &[2], &[0, 1]).unwrap(), Encoding::Plain), @"[false,true]");
        insta::assert_snapshot!(text(&Array::new(&[2], vec![u64::MAX, 0]), Encoding::Plain), @"[18446744073709551615,0]");
        insta::assert_snapshot!(text(&Array::new(&[1], vec![0.999_999_05f32]), Encoding::Plain), @"[0.9999990463256836]");
        insta::assert_snapshot!(text(&Array::zeros(DType::Float64, &[2, 0]), Encoding::Plain), @"[[],[]]");
    }

    #[test]
    fn trees_keep_their_order_and_texts() {
        let tree = Tree::fields([
            ("b", Tree::from(1.0)),
            ("a \"x\"", Tree::List(vec![Tree::Text("\"t\"".into()), Tree::Text("null".into())])),
            ("d", Tree::Dict([("k".to_owned(), Tree::from(2.0))].into_iter().collect())),
        ]);
        let mut out = Vec::new();
        write_tree(&mut out, &tree, Encoding::Plain);
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r#"{"b":1.0,"a \"x\"":["t",null],"d":{"k":2.0}}"#);
        let mut out = Vec::new();
        write_abstract(&mut out, &tree.map(&mut Array::to_abstract));
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r#"{"b":{"shape":[],"dtype":"float64"},"a \"x\"":["t",null],"d":{"k":{"shape":[],"dtype":"float64"}}}"#);
    }

    #[test]
    fn views_are_written_in_logical_order() {
        let mut array = ArrayD::from_shape_vec(vec![2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        array.swap_axes(0, 1);
        for encoding in [Encoding::Plain, Encoding::Json, Encoding::Base64, Encoding::Base64Lz4] {
            let mut out = Vec::new();
            write_view(&mut out, array.view(), encoding);
            let owned = Array::new(&[3, 2], vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
            assert_eq!(String::from_utf8(out).unwrap(), text(&owned, encoding));
        }
        let mut out = Vec::new();
        let complex = array.mapv(|re| Complex::new(re, -1.0));
        write_view(&mut out, complex.index_axis(Axis(0), 1), Encoding::Plain);
        assert_eq!(out, b"[[2.0,-1.0],[5.0,-1.0]]");
    }

    fn array() -> impl Strategy<Value = Array> {
        let dtype = prop::sample::select(&DType::ALL[..]);
        (dtype, prop::collection::vec(0usize..4, 0..4)).prop_flat_map(|(dtype, shape)| {
            let bytes = shape.iter().product::<usize>() * dtype.size();
            prop::collection::vec(any::<u8>(), bytes).prop_map(move |mut bytes| {
                if dtype == DType::Bool {
                    bytes.iter_mut().for_each(|byte| *byte &= 1);
                }
                Array::from_bytes(dtype, &shape, &bytes).unwrap()
            })
        })
    }

    /// Equal, a number that is not finite standing for NaN where the encoding knows no other.
    fn same(a: &Array, b: &Array, encoding: Encoding) -> bool {
        let bytes = matches!(encoding, Encoding::Base64 | Encoding::Base64Lz4);
        let close = |(a, b): (&f64, f64)| {
            a.to_bits() == b.to_bits()
                || (b.is_nan() && (a.is_nan() || (encoding == Encoding::Json && a.is_infinite())))
        };
        (a.dtype(), a.shape()) == (b.dtype(), b.shape())
            && if bytes { a.bytes() == b.bytes() } else { a.to_vec().iter().zip(b.to_vec()).all(close) }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(array in array()) {
            for encoding in [Encoding::Plain, Encoding::Json, Encoding::Base64, Encoding::Base64Lz4] {
                let value = parse_json(text(&array, encoding).as_bytes()).unwrap();
                // Plain lists cannot tell what follows a dimension of length 0.
                let rank = Some(array.shape().len());
                let expected = Expected { dtype: array.dtype(), rank, null_is_nan: false };
                let read = decode(&value, expected).unwrap();
                if encoding == Encoding::Plain && array.is_empty() {
                    prop_assert!(read.is_empty());
                } else {
                    prop_assert!(same(&array, &read, encoding), "{:?} {:?}", array, read);
                }
            }
        }
    }
}
