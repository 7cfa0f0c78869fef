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

fn write_float(out: &mut Vec<u8>, value: f64, non_finite_is_null: bool) {
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

fn write_nested<'v, T: Copy + 'v>(
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

fn lz4(bytes: &[u8]) -> Vec<u8> {
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

fn write_nodes<A>(out: &mut Vec<u8>, tree: &Tree<A>, leaf: &mut impl FnMut(&mut Vec<u8>, &A)) {
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
