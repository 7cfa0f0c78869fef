//! A dense, C-contiguous array with a dynamic element type and a shared buffer.
//!
//! Cloning shares the buffer; writing to a shared one copies it first. No arithmetic here: numerics
//! work on ravelled vectors (`layout`).

use std::fmt;
use std::sync::Arc;

use bytemuck::Pod;
use half::f16;
use num_complex::Complex;

use super::{Abstract, DType};

/// A numeric array: dtype, shape, and a buffer in C order and native byte order.
#[derive(Clone, PartialEq)]
pub struct Array {
    dtype: DType,
    shape: Box<[usize]>,
    // Words, so that every element type is aligned and bytes can be reinterpreted without `unsafe`.
    words: Arc<Vec<u64>>,
}

/// A Rust type that is the element of some dtype.
pub trait Element: Pod {
    /// The dtype it stands for.
    const DTYPE: DType;
}

macro_rules! elements {
    ($($type:ty => $dtype:ident),* $(,)?) => {
        $(impl Element for $type { const DTYPE: DType = DType::$dtype; })*
    };
}
elements! {
    f16 => Float16, f32 => Float32, f64 => Float64,
    i8 => Int8, i16 => Int16, i32 => Int32, i64 => Int64,
    u8 => Uint8, u16 => Uint16, u32 => Uint32, u64 => Uint64,
    Complex<f32> => Complex64, Complex<f64> => Complex128,
}

/// Number of elements of a shape; `None` when it exceeds memory.
pub(crate) fn element_count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&n| n <= isize::MAX as usize / 16)
}

/// Reads elements as real coordinates; see [`Array::read`].
pub(crate) fn read_coordinates(dtype: DType, bytes: &[u8], out: &mut [f64]) {
    fn widen<T: Pod>(bytes: &[u8], out: &mut [f64], f: impl Fn(T) -> f64) {
        for (slot, &value) in out.iter_mut().zip(bytemuck::cast_slice::<u8, T>(bytes)) {
            *slot = f(value);
        }
    }
    match dtype {
        DType::Float64 | DType::Complex128 => out.copy_from_slice(bytemuck::cast_slice(bytes)),
        DType::Float32 | DType::Complex64 => widen::<f32>(bytes, out, f64::from),
        DType::Float16 => widen::<f16>(bytes, out, f64::from),
        DType::Int8 => widen::<i8>(bytes, out, f64::from),
        DType::Int16 => widen::<i16>(bytes, out, f64::from),
        DType::Int32 => widen::<i32>(bytes, out, f64::from),
        DType::Int64 => widen::<i64>(bytes, out, |v| v as f64),
        DType::Uint8 | DType::Bool => widen::<u8>(bytes, out, f64::from),
        DType::Uint16 => widen::<u16>(bytes, out, f64::from),
        DType::Uint32 => widen::<u32>(bytes, out, f64::from),
        DType::Uint64 => widen::<u64>(bytes, out, |v| v as f64),
    }
}

/// Sets one real coordinate in the bytes of floating or complex elements, rounding to their precision.
///
/// # Panics
/// As [`Array::set`].
#[inline]
pub(crate) fn write_coordinate(bytes: &mut [u8], dtype: DType, coordinate: usize, value: f64) {
    match dtype {
        DType::Float64 | DType::Complex128 => bytemuck::cast_slice_mut::<u8, f64>(bytes)[coordinate] = value,
        DType::Float32 | DType::Complex64 => bytemuck::cast_slice_mut::<u8, f32>(bytes)[coordinate] = value as f32,
        DType::Float16 => bytemuck::cast_slice_mut::<u8, f16>(bytes)[coordinate] = f16::from_f64(value),
        _ => panic!("cannot displace an element of dtype {dtype}"),
    }
}

impl Array {
    /// An array of zeros.
    ///
    /// # Panics
    /// If the shape has more elements than memory can address.
    pub fn zeros(dtype: DType, shape: &[usize]) -> Array {
        let count = element_count(shape).expect("array larger than memory");
        let words = (count * dtype.size()).div_ceil(8);
        Array { dtype, shape: shape.into(), words: Arc::new(vec![0; words]) }
    }

    /// An array over a vector of elements in C order.
    ///
    /// # Panics
    /// If `values` has not exactly as many elements as `shape`.
    pub fn new<T: Element>(shape: &[usize], values: Vec<T>) -> Array {
        assert_eq!(element_count(shape), Some(values.len()), "{} values for shape {shape:?}", values.len());
        let shape = shape.into();
        match bytemuck::try_cast_vec::<T, u64>(values) {
            Ok(words) => Array { dtype: T::DTYPE, shape, words: Arc::new(words) },
            Err((_, values)) => {
                let mut array = Array::zeros(T::DTYPE, &shape);
                array.bytes_mut().copy_from_slice(bytemuck::cast_slice(&values));
                array
            }
        }
    }

    /// A float64 scalar (shape `[]`).
    pub fn scalar(value: f64) -> Array {
        Array::new(&[], vec![value])
    }

    /// An array from its bytes in C order and native byte order; `None` if their number does not fit.
    pub fn from_bytes(dtype: DType, shape: &[usize], bytes: &[u8]) -> Option<Array> {
        if element_count(shape)?.checked_mul(dtype.size())? != bytes.len() {
            return None;
        }
        let mut array = Array::zeros(dtype, shape);
        array.bytes_mut().copy_from_slice(bytes);
        Some(array)
    }

    /// Its element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Its dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its number of real coordinates: elements, complex ones counted twice.
    pub fn coordinates(&self) -> usize {
        self.len() * self.dtype.coordinates()
    }

    /// What is known of it without its values.
    pub fn to_abstract(&self) -> Abstract {
        Abstract { dtype: self.dtype, shape: self.shape.clone() }
    }

    /// Its elements in C order, if they are of type `T`. (Booleans are read as bytes.)
    pub fn as_slice<T: Element>(&self) -> Option<&[T]> {
        self.holds::<T>().then(|| bytemuck::cast_slice(self.bytes()))
    }

    /// Its elements in C order, to be changed, if they are of type `T`. A shared buffer is copied first.
    pub fn as_mut_slice<T: Element>(&mut self) -> Option<&mut [T]> {
        self.holds::<T>().then(|| bytemuck::cast_slice_mut(self.bytes_mut()))
    }

    fn holds<T: Element>(&self) -> bool {
        T::DTYPE == self.dtype || (self.dtype == DType::Bool && T::DTYPE == DType::Uint8)
    }

    /// Its buffer: C order, native byte order.
    pub fn bytes(&self) -> &[u8] {
        let count = self.len() * self.dtype.size();
        &bytemuck::cast_slice(&self.words[..])[..count]
    }

    /// Its buffer, to be changed. A shared buffer is copied first.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let count = self.len() * self.dtype.size();
        &mut bytemuck::cast_slice_mut(&mut Arc::make_mut(&mut self.words)[..])[..count]
    }

    /// The same elements under another shape; `None` if their number differs.
    pub fn reshaped(mut self, shape: &[usize]) -> Option<Array> {
        (element_count(shape)? == self.len()).then(|| {
            self.shape = shape.into();
            self
        })
    }

    /// Its real coordinates as float64, in order: complex elements give (re, im) pairs, booleans 0 or 1.
    ///
    /// # Panics
    /// If `out` has not [`Array::coordinates`] slots.
    pub fn read(&self, out: &mut [f64]) {
        assert_eq!(out.len(), self.coordinates());
        read_coordinates(self.dtype, self.bytes(), out);
    }

    /// Its real coordinates as a new vector; see [`Array::read`].
    pub fn to_vec(&self) -> Vec<f64> {
        let mut out = vec![0.0; self.coordinates()];
        self.read(&mut out);
        out
    }

    /// Sets one real coordinate of a floating or complex array, rounding to its precision.
    ///
    /// # Panics
    /// If `coordinate` is out of range, or the elements are not floating or complex.
    pub fn set(&mut self, coordinate: usize, value: f64) {
        let dtype = self.dtype;
        write_coordinate(self.bytes_mut(), dtype, coordinate, value);
    }

    /// An array of a floating or complex dtype from real coordinates, rounding to its precision.
    ///
    /// # Panics
    /// As [`Array::set`]; also if the number of coordinates does not fit.
    pub fn from_coordinates(dtype: DType, shape: &[usize], values: &[f64]) -> Array {
        let mut array = Array::zeros(dtype, shape);
        assert_eq!(array.coordinates(), values.len());
        let bytes = array.bytes_mut();
        match dtype {
            DType::Float64 | DType::Complex128 => bytes.copy_from_slice(bytemuck::cast_slice(values)),
            DType::Float32 | DType::Complex64 => {
                for (slot, &value) in bytemuck::cast_slice_mut::<u8, f32>(bytes).iter_mut().zip(values) {
                    *slot = value as f32;
                }
            }
            DType::Float16 => {
                for (slot, &value) in bytemuck::cast_slice_mut::<u8, f16>(bytes).iter_mut().zip(values) {
                    *slot = f16::from_f64(value);
                }
            }
            _ => panic!("dtype {dtype} has no real coordinates"),
        }
        array
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.to_vec();
        let shown = &values[..values.len().min(8)];
        let dots = if values.len() > shown.len() { ", .." } else { "" };
        write!(f, "{}{:?}{:?}{dots}", self.dtype, self.shape, shown)
    }
}

impl From<Vec<f64>> for Array {
    fn from(values: Vec<f64>) -> Array {
        Array::new(&[values.len()], values)
    }
}
