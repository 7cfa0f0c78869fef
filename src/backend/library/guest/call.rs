//! The call as the host passed it: the only file of this end that follows its pointers and calls it back.

use std::ffi::{CStr, c_char, c_void};
use std::marker::PhantomData;
use std::mem::{offset_of, size_of};

use super::{Fault, Key, c_text};
use crate::backend::library::abi;
use crate::tree::{DType, Element, element_count};

const _: () = assert!(size_of::<usize>() == size_of::<i64>(), "lengths are read in place");

/// A call that runs. All it leads to lives as long as `'c`.
#[derive(Clone, Copy)]
pub(super) struct Call<'c> {
    raw: *mut abi::Call,
    life: PhantomData<&'c abi::Call>,
}

/// The bytes of a [`abi::Call`] in version 1.0. A later field is there only if the size says so.
const CALL: usize = offset_of!(abi::Call, cancelled) + size_of::<abi::CancelledFn>();

/// Where a host can give a buffer.
pub(super) enum Target<'k> {
    /// An output.
    Output(Key<'k>),
    /// A block of a derivative.
    Block { give: abi::BlockFn, of: u32, wrt: u32 },
}

impl<'c> Call<'c> {
    /// The call; none if the host is too old to know all its fields.
    ///
    /// # Safety
    /// `raw` is a call as the header describes it, and good for `'c`. Nobody else uses it meanwhile.
    pub(super) unsafe fn new(raw: *mut abi::Call) -> Option<Call<'c>> {
        if raw.is_null() {
            return None;
        }
        // SAFETY: not null, and every version of the struct begins with its size.
        let size = unsafe { (*raw).size };
        (size as usize >= CALL).then_some(Call { raw, life: PhantomData })
    }

    /// A copy of the call's fields: none of them changes while it runs.
    fn fields(self) -> abi::Call {
        // SAFETY: `new` was promised that the call is good, and checked that it has all the fields we know.
        unsafe { self.raw.read() }
    }

    pub(super) fn layout(self) -> u64 {
        self.fields().layout
    }

    /// The array inputs.
    pub(super) fn arrays(self) -> &'c [Leaf] {
        let fields = self.fields();
        // SAFETY: the header promises `n_inputs` arrays for as long as the call runs; a `Leaf` is nothing else.
        unsafe { slice(fields.inputs.cast(), fields.n_inputs) }
    }

    /// The other inputs, as JSON.
    pub(super) fn json(self) -> &'c str {
        let json = self.fields().json;
        // SAFETY: the header promises a NUL-terminated text for as long as the call runs.
        if json.is_null() { "{}" } else { unsafe { text(json) } }
    }

    pub(super) fn is_cancelled(self) -> bool {
        let cancelled = self.fields().cancelled;
        // SAFETY: the host's own function, with the host's own call.
        unsafe { cancelled(self.raw) != 0 }
    }

    /// Says why the call will fail.
    pub(super) fn message(self, message: &str) {
        let (tell, message) = (self.fields().message, c_text(message.to_owned()));
        // SAFETY: the host's own function, with the host's own call; the text ends in NUL and is copied.
        unsafe { tell(self.raw, message.as_ptr()) };
    }

    /// Hands over an output that is no array.
    pub(super) fn output_json(self, path: &str, json: String) -> Result<(), Fault> {
        let (give, json) = (self.fields().output_json, c_text(json));
        // SAFETY: the host's own function, with the host's own call; both texts end in NUL and are copied.
        with_path(path, |path| unsafe { give(self.raw, path, json.as_ptr()) })
    }

    /// Asks the host for a buffer; null if it has none, and then it has the reason.
    pub(super) fn ask(self, target: &Target<'_>, dtype: DType, shape: &[usize]) -> Result<*mut c_void, Fault> {
        let code = abi::code(dtype);
        let ndim = u32::try_from(shape.len()).map_err(|_| Fault::failed("an array of so many dimensions"))?;
        // A length beyond i64 becomes negative, and the host refuses it.
        let shape = shape.as_ptr().cast::<i64>();
        match *target {
            Target::Output(Key::Index(index)) => {
                let give = self.fields().output_at;
                // Nothing has so many outputs: the host says so.
                let index = u32::try_from(index).unwrap_or(u32::MAX);
                // SAFETY: the host's own function, with the host's own call; `ndim` lengths are there.
                Ok(unsafe { give(self.raw, index, code, ndim, shape) })
            }
            Target::Output(Key::Path(path)) => {
                let give = self.fields().output;
                // SAFETY: as above; the path ends in NUL.
                with_path(path, |path| unsafe { give(self.raw, path, code, ndim, shape) })
            }
            Target::Block { give, of, wrt } => {
                // SAFETY: as above.
                Ok(unsafe { give(self.raw, of, wrt, code, ndim, shape) })
            }
        }
    }

    /// The buffer for an array of `shape` as its bytes.
    ///
    /// # Safety
    /// `'b` ends before the same buffer is asked for again, and the call is none of `abstract_eval`.
    pub(super) unsafe fn bytes<'b>(
        self,
        target: &Target<'_>,
        dtype: DType,
        shape: &[usize],
    ) -> Result<&'b mut [u8], Fault>
    where
        'c: 'b,
    {
        let pointer = self.ask(target, dtype, shape)?.cast::<u8>();
        // What cannot be counted, the host has refused too.
        let count = element_count(shape).and_then(|count| count.checked_mul(dtype.size()));
        let (false, Some(count)) = (pointer.is_null(), count) else { return Err(Fault::known_to_the_host()) };
        // SAFETY: the header promises a buffer for an array of this dtype and shape, that is the host's until the
        // call returns, and that no other output shares. The caller keeps us from having it twice. Its contents are
        // unspecified, but never uninitialised: the host makes buffers of zeros, and gives them out again
        // as they were left.
        Ok(unsafe { std::slice::from_raw_parts_mut(pointer, count) })
    }

    /// The buffer for an array of `shape`, as its elements.
    ///
    /// # Safety
    /// As [`Call::bytes`].
    pub(super) unsafe fn elements<'b, T: Element>(
        self,
        target: &Target<'_>,
        shape: &[usize],
    ) -> Result<&'b mut [T], Fault>
    where
        'c: 'b,
    {
        // SAFETY: handed on.
        let bytes = unsafe { self.bytes(target, T::DTYPE, shape) }?;
        bytemuck::try_cast_slice_mut(bytes)
            .map_err(|error| Fault::failed(format!("the host's buffer is no good: {error}")))
    }
}

/// A derivative that is asked for.
#[derive(Clone, Copy)]
pub(super) struct Question<'c> {
    pub(super) call: Call<'c>,
    /// Indices among the inputs.
    pub(super) wrt: &'c [u32],
    /// Paths of outputs.
    of: &'c [*const c_char],
    vectors: *const abi::Array,
    give: abi::BlockFn,
}

/// The bytes of a [`abi::Derivative`] in version 1.0.
const DERIVATIVE: usize = offset_of!(abi::Derivative, block) + size_of::<abi::BlockFn>();

impl<'c> Question<'c> {
    /// What the host asks; none if it is too old to know all the fields.
    ///
    /// # Safety
    /// `raw` is as the header describes it, belongs to `call`, and is good for `'c`.
    pub(super) unsafe fn new(call: Call<'c>, raw: *const abi::Derivative) -> Option<Question<'c>> {
        if raw.is_null() {
            return None;
        }
        // SAFETY: not null, and every version of the struct begins with its size.
        let size = unsafe { (*raw).size };
        if (size as usize) < DERIVATIVE {
            return None;
        }
        // SAFETY: the caller vouches for it, and it has all the fields we know.
        let fields = unsafe { raw.read() };
        // SAFETY: the header promises `n_wrt` indices.
        let wrt = unsafe { slice(fields.wrt, fields.n_wrt) };
        // SAFETY: the header promises `n_of` paths.
        let of = unsafe { slice(fields.of, fields.n_of) };
        Some(Question { call, wrt, of, vectors: fields.vectors, give: fields.block })
    }

    /// The paths of the outputs asked for.
    pub(super) fn of(self) -> impl ExactSizeIterator<Item = &'c str> {
        // SAFETY: the header promises NUL-terminated paths for as long as the call runs.
        self.of.iter().map(|path| unsafe { text(*path) })
    }

    /// The tangents, one for each of `wrt`.
    ///
    /// # Safety
    /// The question is a jvp.
    pub(super) unsafe fn tangents(self) -> &'c [Leaf] {
        // SAFETY: in a jvp, the header promises as many arrays as inputs are asked for.
        unsafe { slice(self.vectors.cast(), self.wrt.len() as u32) }
    }

    /// The cotangents, one for each of `of`.
    ///
    /// # Safety
    /// The question is a vjp.
    pub(super) unsafe fn cotangents(self) -> &'c [Leaf] {
        // SAFETY: in a vjp, the header promises as many arrays as outputs are asked for.
        unsafe { slice(self.vectors.cast(), self.of.len() as u32) }
    }

    /// Where block (`of`, `wrt`) is to be had.
    pub(super) fn block(self, of: usize, wrt: usize) -> Target<'static> {
        Target::Block { give: self.give, of: of as u32, wrt: wrt as u32 }
    }
}

/// An array of the host's: an input, or a vector of a derivative.
#[repr(transparent)]
pub(super) struct Leaf(abi::Array);

impl Leaf {
    /// # Panics
    /// If the host sends what this version does not know.
    pub(super) fn dtype(&self) -> DType {
        abi::dtype(self.0.dtype).unwrap_or_else(|| panic!("the host sent dtype number {}", self.0.dtype))
    }

    pub(super) fn path(&self) -> &str {
        // SAFETY: the header promises a NUL-terminated path for as long as the array is there.
        unsafe { text(self.0.path) }
    }

    pub(super) fn shape(&self) -> &[usize] {
        // SAFETY: the header promises `ndim` lengths; none is negative, and an i64 has the size of a usize.
        unsafe { slice(self.0.shape.cast::<usize>(), self.0.ndim) }
    }

    /// Its elements as bytes; none in `abstract_eval`.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        let count = element_count(self.shape()).and_then(|count| count.checked_mul(self.dtype().size()));
        let count = count.unwrap_or_else(|| panic!("the host sent an array larger than memory"));
        if self.0.data.is_null() {
            return None;
        }
        // SAFETY: the header promises that many elements, which nobody writes to while the call runs.
        Some(unsafe { std::slice::from_raw_parts(self.0.data.cast(), count) })
    }
}

/// A slice as C passes it: of no elements, it may be NULL.
///
/// # Safety
/// `count` elements are at `pointer`, unchanged for `'a`.
unsafe fn slice<'a, T>(pointer: *const T, count: u32) -> &'a [T] {
    if count == 0 {
        return &[];
    }
    // SAFETY: handed on.
    unsafe { std::slice::from_raw_parts(pointer, count as usize) }
}

/// # Safety
/// `pointer` leads to a NUL-terminated text, unchanged for `'a`.
pub(super) unsafe fn text<'a>(pointer: *const c_char) -> &'a str {
    // SAFETY: handed on.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str().unwrap_or_else(|_| panic!("the host sent text that is not UTF-8"))
}

/// Ends a path in NUL, without an allocation unless it is long.
fn with_path<R>(path: &str, act: impl FnOnce(*const c_char) -> R) -> Result<R, Fault> {
    let mut short = [0u8; 128];
    if path.len() < short.len() && !path.as_bytes().contains(&0) {
        short[..path.len()].copy_from_slice(path.as_bytes());
        return Ok(act(short.as_ptr().cast()));
    }
    let path =
        std::ffi::CString::new(path).map_err(|_| Fault::failed(format!("output {path:?}: a path with a NUL")))?;
    Ok(act(path.as_ptr()))
}
