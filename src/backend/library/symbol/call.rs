//! One call: the memory of all arguments, and the jump into foreign code.
//!
//! The memory is kept from call to call.

use std::ffi::c_void;

use libffi::low::{CodePtr, call_return_into};
use libffi::middle::{Cif, Type};

use super::prototype::{Argument, Fixed, MAX_RANK, Prototype, Role, c_name};
use super::sizes::Sizes;
use crate::model::ModelError;
use crate::tree::{DType, element_count, write_coordinate};

/// A function, its calling convention and the memory of its arguments.
pub(super) struct Call {
    cif: Cif,
    function: CodePtr,
    /// One for each argument, and one for what is returned.
    slots: Vec<Slot>,
    /// The lengths of Fortran's texts.
    hidden: Vec<usize>,
    /// Where the arguments that are pointers point to.
    targets: Vec<*mut c_void>,
    /// Where libffi finds each argument: a value in a slot, or a pointer in `targets`.
    places: Vec<*mut c_void>,
}

/// The memory of one argument.
pub(super) struct Slot {
    dtype: DType,
    by_value: bool,
    before: Before,
    /// In the function's order. Never empty.
    words: Vec<u64>,
    /// What an input holds that the function may overwrite.
    kept: Vec<u64>,
    shape: Box<[usize]>,
    /// Whether its elements lie by columns.
    transposed: bool,
    /// Its elements.
    len: usize,
}

/// What becomes of an argument's memory before a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// Nothing: the function does not write it.
    Nothing,
    /// It gets what is kept, since the function may have overwritten it.
    Restored,
    /// All bits are set: of a floating element that is never written NaN is left.
    Filled,
    /// All bits are cleared.
    Zeroed,
    /// It is a null pointer.
    Null,
}

// SAFETY: the pointers of a call are made anew for every call and lead to memory that it owns; libffi's own
// description is memory of its own too, and the function is never unloaded. That calls of one library do not
// overlap where they must not is for the gate of its instances.
unsafe impl Send for Call {}

impl Call {
    pub(super) fn new(prototype: &Prototype, function: *const c_void) -> Call {
        let hidden: Vec<usize> = prototype.hidden().map(|(_, length)| length).collect();
        let types = prototype
            .arguments
            .iter()
            .map(|argument| if argument.by_value { ffi_type(argument.dtype) } else { Type::pointer() });
        let types: Vec<Type> = types.chain(hidden.iter().map(|_| Type::usize())).collect();
        let result = prototype.result.as_ref().map(|result| result.dtype);
        let cif = Cif::new(types, result.map_or_else(Type::void, ffi_type));
        let returned = Slot {
            dtype: result.unwrap_or(DType::Int64),
            by_value: true,
            before: Before::Filled,
            words: vec![0; 2],
            kept: Vec::new(),
            shape: Box::default(),
            transposed: false,
            len: 1,
        };
        let slots = prototype.arguments.iter().map(Slot::new).chain([returned]).collect();
        Call { cif, function: CodePtr::from_ptr(function), slots, hidden, targets: Vec::new(), places: Vec::new() }
    }

    /// Makes room for arguments of these sizes, and writes those that are no inputs.
    pub(super) fn fit(&mut self, prototype: &Prototype, sizes: &Sizes) -> Result<(), ModelError> {
        for ((slot, argument), shape) in self.slots.iter_mut().zip(&prototype.arguments).zip(&sizes.shapes) {
            let Some(shape) = shape else {
                return Err(ModelError::broken(format!("the length of {} is not known", argument.name)));
            };
            slot.fit(shape, argument.is_transposed(prototype.language)).map_err(|bytes| {
                ModelError::refused(format!(
                    "{} would be of shape {shape:?}: {bytes} bytes cannot be had",
                    argument.name
                ))
            })?;
            if let Some(number) = prototype.number(argument, sizes)?
                && !write_integer(bytemuck::cast_slice_mut(&mut slot.words), slot.dtype, number)
            {
                return Err(ModelError::refused(format!(
                    "{} would be {number}, which is no {}",
                    argument.name,
                    c_name(slot.dtype)
                )));
            }
        }
        Ok(())
    }

    /// Tells libffi where everything is.
    #[inline]
    fn link(&mut self) {
        let arguments = self.slots.len() - 1;
        self.targets.clear();
        let target = |slot: &mut Slot| match slot.before {
            Before::Null => std::ptr::null_mut(),
            _ => slot.words.as_mut_ptr().cast(),
        };
        self.targets.extend(self.slots[..arguments].iter_mut().map(target));
        self.places.clear();
        for (slot, target) in self.slots[..arguments].iter().zip(&mut self.targets) {
            self.places.push(if slot.by_value { *target } else { (&raw mut *target).cast() });
        }
        self.places.extend(self.hidden.iter_mut().map(|length| (&raw mut *length).cast()));
    }

    /// Calls the function. The call must have been [fitted](Call::fit).
    #[inline]
    pub(super) fn run(&mut self) {
        for slot in &mut self.slots {
            match slot.before {
                Before::Nothing | Before::Null => {}
                Before::Restored => slot.words.copy_from_slice(&slot.kept),
                Before::Filled => slot.words.fill(u64::MAX),
                Before::Zeroed => slot.words.fill(0),
            }
        }
        self.link();
        let Some(returned) = self.slots.last_mut() else { unreachable!("there is a slot for what is returned") };
        // SAFETY: `places` has an entry for every type of the convention, which `link` has just made: each leads to a
        // value of that type, or to a pointer to as many elements as the signature says, all in memory that this
        // call owns. The two words of the last slot have room for anything returned. That the function has this
        // signature is what the manifest's author vouches for; `isolation = "process"`, the default, is for
        // when they err.
        unsafe {
            call_return_into(
                self.cif.as_raw_ptr(),
                self.function,
                self.places.as_mut_ptr(),
                returned.words.as_mut_ptr().cast(),
            );
        }
    }

    pub(super) fn slot(&self, index: usize) -> &Slot {
        &self.slots[index]
    }

    pub(super) fn slot_mut(&mut self, index: usize) -> &mut Slot {
        &mut self.slots[index]
    }

    /// What the function has no business to write, to be compared with later.
    pub(super) fn read_only(&self) -> Vec<Vec<u64>> {
        let words = |slot: &Slot| if slot.is_read_only() { slot.words.clone() } else { Vec::new() };
        self.slots.iter().map(words).collect()
    }

    /// The first slot that the function has written and should not have.
    pub(super) fn overwritten(&self, before: &[Vec<u64>]) -> Option<usize> {
        self.slots.iter().zip(before).position(|(slot, before)| slot.is_read_only() && slot.words != *before)
    }
}

impl Slot {
    fn new(argument: &Argument) -> Slot {
        let mut words = vec![0; 2];
        let before = match &argument.role {
            Role::In | Role::Length(_) => Before::Nothing,
            Role::Spoiled | Role::InOut(_) => Before::Restored,
            Role::Out { zeroed: false, .. } | Role::Work { zeroed: false } | Role::Status { zeroed: false } => {
                Before::Filled
            }
            Role::Out { .. } | Role::Work { .. } | Role::Status { .. } => Before::Zeroed,
            Role::Fixed(Fixed::Null) => Before::Null,
            Role::Fixed(Fixed::Integer(_)) => Before::Nothing,
            Role::Fixed(Fixed::Real(number)) => {
                write_coordinate(bytemuck::cast_slice_mut(&mut words), argument.dtype, 0, *number);
                Before::Nothing
            }
            Role::Fixed(Fixed::Text(text)) => {
                words.resize(text.len().div_ceil(8).max(1), 0);
                bytemuck::cast_slice_mut::<u64, u8>(&mut words)[..text.len()].copy_from_slice(text);
                Before::Nothing
            }
        };
        let (dtype, by_value) = (argument.dtype, argument.by_value);
        Slot { dtype, by_value, before, words, kept: Vec::new(), shape: Box::default(), transposed: false, len: 1 }
    }

    /// Makes room for a shape; the bytes it would take, where they cannot be had.
    fn fit(&mut self, shape: &[usize], transposed: bool) -> Result<(), usize> {
        let count = element_count(shape).ok_or(usize::MAX)?;
        self.len = count;
        if shape.is_empty() {
            if self.before == Before::Restored {
                self.kept.resize(self.words.len(), 0);
            }
            return Ok(());
        }
        self.transposed = transposed;
        self.shape = shape.into();
        let bytes = count.saturating_mul(self.dtype.size());
        let words = bytes.div_ceil(8).max(1);
        let kept = if self.before == Before::Restored { words } else { 0 };
        for (buffer, wanted) in [(&mut self.words, words), (&mut self.kept, kept)] {
            buffer.clear();
            buffer.try_reserve_exact(wanted).map_err(|_| bytes)?;
            buffer.resize(wanted, 0);
        }
        Ok(())
    }

    fn is_read_only(&self) -> bool {
        self.before == Before::Nothing && !self.by_value
    }

    pub(super) fn dtype(&self) -> DType {
        self.dtype
    }

    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its elements' bytes in the function's order.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.len * self.dtype.size()]
    }

    /// Its elements as float64, if they are that and lie as they do in JSON.
    #[inline]
    pub(super) fn doubles(&self) -> Option<&[f64]> {
        let plain = !self.transposed && self.dtype == DType::Float64;
        plain.then(|| &bytemuck::cast_slice(&self.words)[..self.len])
    }

    /// Its elements' bytes by rows.
    pub(super) fn read_by_rows(&self, out: &mut [u8]) {
        if !self.transposed {
            return out.copy_from_slice(self.bytes());
        }
        let (size, own) = (self.dtype.size(), self.bytes());
        walk(&self.shape, |row, column| {
            out[row * size..][..size].copy_from_slice(&own[column * size..][..size]);
        });
    }

    /// Writes the elements of an input, given by rows.
    pub(super) fn write_by_rows(&mut self, bytes: &[u8]) {
        let (size, length) = (self.dtype.size(), self.len * self.dtype.size());
        let words = if self.before == Before::Restored { &mut self.kept } else { &mut self.words };
        let own = &mut bytemuck::cast_slice_mut::<u64, u8>(words)[..length];
        if !self.transposed {
            return own.copy_from_slice(bytes);
        }
        walk(&self.shape, |row, column| {
            own[column * size..][..size].copy_from_slice(&bytes[row * size..][..size]);
        });
    }

    /// Writes one coordinate of an input, counted by rows.
    #[inline]
    pub(super) fn write(&mut self, coordinate: usize, value: f64) {
        let coordinate = if self.transposed {
            let each = self.dtype.coordinates();
            by_columns(&self.shape, coordinate / each) * each + coordinate % each
        } else {
            coordinate
        };
        let words = if self.before == Before::Restored { &mut self.kept } else { &mut self.words };
        if self.dtype == DType::Float64 {
            words[coordinate] = value.to_bits();
        } else {
            write_coordinate(bytemuck::cast_slice_mut(words), self.dtype, coordinate, value);
        }
    }

    /// The whole number it is.
    pub(super) fn integer(&self) -> i64 {
        read_integer(bytemuck::cast_slice(&self.words), self.dtype)
    }
}

/// Where the element that is the `row`-th by rows lies by columns.
fn by_columns(shape: &[usize], row: usize) -> usize {
    let (mut rest, mut place) = (row, 0);
    // The last index runs fastest by rows, slowest by columns.
    let mut stride: usize = shape.iter().product();
    for &length in shape.iter().rev() {
        stride /= length;
        place += rest % length * stride;
        rest /= length;
    }
    place
}

/// Every element's place by rows, ascending, and by columns.
fn walk(shape: &[usize], mut visit: impl FnMut(usize, usize)) {
    let count: usize = shape.iter().product();
    if count == 0 {
        return;
    }
    let (mut strides, mut index) = ([1; MAX_RANK], [0; MAX_RANK]);
    for axis in 1..shape.len() {
        strides[axis] = strides[axis - 1] * shape[axis - 1];
    }
    let mut column = 0;
    for row in 0..count {
        visit(row, column);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            column += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            column -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
    }
}

fn ffi_type(dtype: DType) -> Type {
    match dtype {
        DType::Float64 => Type::f64(),
        DType::Float32 => Type::f32(),
        DType::Int8 => Type::i8(),
        DType::Int16 => Type::i16(),
        DType::Int32 => Type::i32(),
        DType::Int64 => Type::i64(),
        DType::Uint8 | DType::Bool => Type::u8(),
        DType::Uint16 => Type::u16(),
        DType::Uint32 => Type::u32(),
        DType::Uint64 => Type::u64(),
        DType::Float16 | DType::Complex64 | DType::Complex128 => {
            unreachable!("{dtype} has no value that is handed over")
        }
    }
}

/// Writes a whole number, unless the type cannot hold it.
fn write_integer(bytes: &mut [u8], dtype: DType, number: i64) -> bool {
    macro_rules! put {
        ($type:ty) => {
            <$type>::try_from(number)
                .map(|number| bytes[..size_of::<$type>()].copy_from_slice(&number.to_ne_bytes()))
                .is_ok()
        };
    }
    match dtype {
        DType::Int8 => put!(i8),
        DType::Int16 => put!(i16),
        DType::Int32 => put!(i32),
        DType::Int64 => put!(i64),
        DType::Uint8 => put!(u8),
        DType::Uint16 => put!(u16),
        DType::Uint32 => put!(u32),
        DType::Uint64 => put!(u64),
        _ => false,
    }
}

/// The first whole number of a buffer; what int64 cannot hold is its largest.
pub(super) fn read_integer(bytes: &[u8], dtype: DType) -> i64 {
    macro_rules! get {
        ($type:ty) => {{
            let mut own = [0; size_of::<$type>()];
            own.copy_from_slice(&bytes[..size_of::<$type>()]);
            i64::try_from(<$type>::from_ne_bytes(own)).unwrap_or(i64::MAX)
        }};
    }
    match dtype {
        DType::Int8 => get!(i8),
        DType::Int16 => get!(i16),
        DType::Int32 => get!(i32),
        DType::Int64 => get!(i64),
        DType::Uint8 | DType::Bool => get!(u8),
        DType::Uint16 => get!(u16),
        DType::Uint32 => get!(u32),
        DType::Uint64 => get!(u64),
        _ => 0,
    }
}
