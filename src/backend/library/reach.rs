//! What a plugin reaches of the host while it answers: the state behind a call, and the callbacks that lead to it.

use std::ffi::{CStr, c_char, c_void};
use std::sync::Arc;

use super::abi;
use super::outputs::Outputs;
use crate::model::Cancel;
use crate::schema::Signature;
use crate::tree::{DType, element_count};

/// What callbacks reach through `call.host`. Only `cancel` may be looked at by several threads of a model.
pub(super) struct Reach {
    pub(super) cancel: Cancel,
    pub(super) state: State,
}

/// What one callback at a time reads and writes.
pub(super) struct State {
    pub(super) signature: Arc<Signature>,
    pub(super) outputs: Outputs,
    pub(super) blocks: Vec<Block>,
    pub(super) grid: Grid,
    pub(super) message: Option<String>,
}

/// How the blocks of a native derivative are numbered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Grid {
    /// One a pair of output and input.
    Jacobian { n_of: usize, n_wrt: usize },
    /// One an output.
    Jvp { n_of: usize },
    /// One an input.
    Vjp { n_wrt: usize },
}

impl Grid {
    pub(super) fn blocks(self) -> usize {
        match self {
            Grid::Jacobian { n_of, n_wrt } => n_of * n_wrt,
            Grid::Jvp { n_of } => n_of,
            Grid::Vjp { n_wrt } => n_wrt,
        }
    }

    fn index(self, of: usize, wrt: usize) -> Option<usize> {
        match self {
            Grid::Jacobian { n_of, n_wrt } => (of < n_of && wrt < n_wrt).then_some(of * n_wrt + wrt),
            Grid::Jvp { n_of } => (of < n_of).then_some(of),
            Grid::Vjp { n_wrt } => (wrt < n_wrt).then_some(wrt),
        }
    }
}

/// One block of a native derivative.
#[derive(Default)]
pub(super) struct Block {
    pub(super) dtype: Option<DType>,
    pub(super) shape: Vec<usize>,
    pub(super) words: Vec<u64>,
}

/// The state behind a call.
///
/// # Safety
/// `call` was made by [`Frame::new`], its frame is alive, and no other reference to the state is.
unsafe fn state<'c>(call: *const abi::Call) -> &'c mut State {
    // SAFETY: the caller vouches for the call; its `host` is the frame's boxed reach.
    let reach = unsafe { (*call).host }.cast::<Reach>();
    // SAFETY: as above. Callbacks do not nest, and the frame is not touched while a call runs.
    unsafe { &mut (*reach).state }
}

pub(super) unsafe extern "C" fn give_output(
    call: *mut abi::Call,
    path: *const c_char,
    dtype: u32,
    ndim: u32,
    shape: *const i64,
) -> *mut c_void {
    // SAFETY: the plugin hands back the call it was given, while it runs.
    let state = unsafe { state(call) };
    // SAFETY: the plugin vouches for its path and shape.
    unsafe { state.outputs.named(&state.signature, path, dtype, ndim, shape) }
}

pub(super) unsafe extern "C" fn give_output_at(
    call: *mut abi::Call,
    index: u32,
    dtype: u32,
    ndim: u32,
    shape: *const i64,
) -> *mut c_void {
    // SAFETY: the plugin hands back the call it was given, while it runs.
    let state = unsafe { state(call) };
    // SAFETY: the plugin vouches for its shape.
    unsafe { state.outputs.at(&state.signature, index as usize, dtype, ndim, shape) }
}

pub(super) unsafe extern "C" fn take_json(call: *mut abi::Call, path: *const c_char, json: *const c_char) {
    // SAFETY: the plugin hands back the call it was given, while it runs.
    let state = unsafe { state(call) };
    if path.is_null() || json.is_null() {
        return state.outputs.note("output_json was given NULL".to_owned());
    }
    // SAFETY: not null, and the plugin vouches for a NUL-terminated text.
    let path = unsafe { CStr::from_ptr(path) };
    // SAFETY: as above.
    let json = unsafe { CStr::from_ptr(json) };
    if let Err(reason) = state.outputs.text(path, json) {
        state.outputs.note(reason);
    }
}

pub(super) unsafe extern "C" fn take_message(call: *mut abi::Call, text: *const c_char) {
    // SAFETY: the plugin hands back the call it was given, while it runs.
    let state = unsafe { state(call) };
    if !text.is_null() {
        // SAFETY: not null, and the plugin vouches for a NUL-terminated text.
        state.message = Some(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned());
    }
}

pub(super) unsafe extern "C" fn is_cancelled(call: *const abi::Call) -> i32 {
    // SAFETY: the plugin hands back the call it was given, while it runs.
    let reach = unsafe { (*call).host }.cast::<Reach>();
    // SAFETY: as above. Nothing but this ever refers to the field while a call runs, and never to change it.
    let cancel = unsafe { &(*reach).cancel };
    i32::from(cancel.is_set())
}

/// Hands out a block of a native derivative.
pub(super) unsafe extern "C" fn give_block(
    call: *mut abi::Call,
    of: u32,
    wrt: u32,
    dtype: u32,
    ndim: u32,
    shape: *const i64,
) -> *mut c_void {
    // SAFETY: the plugin hands back the call it was given, while it runs.
    let state = unsafe { state(call) };
    let shape: &[i64] = if ndim == 0 {
        &[]
    } else if shape.is_null() {
        state.outputs.note("a block's shape is NULL".to_owned());
        return std::ptr::null_mut();
    } else {
        // SAFETY: not null, and the plugin vouches for `ndim` lengths.
        unsafe { std::slice::from_raw_parts(shape, ndim as usize) }
    };
    match state.block(of as usize, wrt as usize, dtype, shape) {
        Ok(pointer) => pointer,
        Err(reason) => {
            state.outputs.note(reason);
            std::ptr::null_mut()
        }
    }
}

impl State {
    fn block(&mut self, of: usize, wrt: usize, code: u32, shape: &[i64]) -> Result<*mut c_void, String> {
        let wide = |dtype: &DType| matches!(dtype, DType::Float64 | DType::Complex128);
        let dtype =
            abi::dtype(code).filter(wide).ok_or("a block of a derivative is SECANT_FLOAT64 or SECANT_COMPLEX128")?;
        let index =
            self.grid.index(of, wrt).ok_or_else(|| format!("there is no block ({of}, {wrt}) of this derivative"))?;
        let sizes: Option<Vec<usize>> = shape.iter().map(|&d| usize::try_from(d).ok()).collect();
        let count = sizes.as_ref().and_then(|sizes| element_count(sizes));
        let (Some(sizes), Some(count)) = (sizes, count) else {
            return Err(format!("a block of shape {shape:?} is impossible"));
        };
        let mut words = Vec::new();
        let needed = (count * dtype.size()).div_ceil(8);
        words.try_reserve_exact(needed).map_err(|_| format!("a block of shape {shape:?} is more than memory holds"))?;
        words.resize(needed, 0);
        let block = self.blocks.get_mut(index).ok_or("blocks are handed out only while a derivative is asked for")?;
        *block = Block { dtype: Some(dtype), shape: sizes, words };
        Ok(block.words.as_mut_ptr().cast())
    }
}
