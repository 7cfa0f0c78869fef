//! Evaluations by a library: the gate through which every call into foreign code passes.

use std::collections::HashMap;
use std::ffi::{CString, c_char};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Handle;
use super::abi;
use super::crash;
use super::frame::Frame;
use super::reach::{Grid, give_block};
use crate::diff::Displacement;
use crate::model::{Base, Batch, Cancel, Instance, ModelError, ModelErrorKind, Natives};
use crate::schema::Signature;
use crate::tree::{Abstract, Array, DType, Path, Tree};

/// Remembers what a plugin's instance said of itself, for all who share it.
#[inline]
fn judge(handle: &Handle, outcome: Result<(), ModelError>) -> Result<(), ModelError> {
    if outcome.as_ref().is_err_and(|error| error.kind.is_fatal()) {
        handle.dead.store(true, Ordering::Relaxed);
    }
    outcome
}

/// What a call on a dead instance comes to.
#[inline]
fn alive(handle: &Handle) -> Result<(), ModelError> {
    if handle.is_dead() {
        return Err(ModelError::new(ModelErrorKind::Crashed, "the model has given up in another evaluation"));
    }
    Ok(())
}

/// Points handed to `apply_batch` at once.
const BATCH: usize = 32;

/// What a plugin may rely on as long as the layout's number stays the same.
type LeafForm = (Path, DType, Box<[usize]>);

pub(super) struct LibraryInstance {
    handle: Arc<Handle>,
    signature: Arc<Signature>,
    /// Calls in flight at once: one, or [`BATCH`] for a library that takes them together.
    frames: Vec<Frame>,
    /// The leaves of the last inputs, and the number that stands for them.
    layout: (Vec<LeafForm>, u64),
    cancel: Cancel,
}

impl LibraryInstance {
    pub(super) fn new(handle: Arc<Handle>, signature: Arc<Signature>) -> LibraryInstance {
        let frames = vec![Frame::new(signature.clone(), false)];
        LibraryInstance { handle, signature, frames, layout: (Vec::new(), 0), cancel: Cancel::default() }
    }

    /// The number of a layout: another one whenever a leaf, dtype or shape is another.
    fn layout(&mut self, leaves: &[(Path, &Array)]) -> u64 {
        let same = leaves.len() == self.layout.0.len()
            && leaves.iter().zip(&self.layout.0).all(|((path, array), (old, dtype, shape))| {
                path == old && array.dtype() == *dtype && *array.shape() == **shape
            });
        if !same || self.layout.0.is_empty() {
            let leaves = leaves.iter().map(|(path, array)| (path.clone(), array.dtype(), array.shape().into()));
            self.layout = (leaves.collect(), self.handle.next_layout());
        }
        self.layout.1
    }

    /// Loads whole inputs into the first frame and asks a native question about them.
    fn derivative(
        &mut self,
        function: Option<abi::DerivativeFn>,
        inputs: &Tree,
        wrt: &[Path],
        of: &[Path],
        vectors: &[(Path, Array)],
        grid: Grid,
    ) -> Result<Vec<Array>, ModelError> {
        let Some(function) = function else { return Err(ModelError::broken("the model has no such derivative")) };
        alive(&self.handle)?;
        let leaves = inputs.leaves();
        let layout = self.layout(&leaves);
        let frame = &mut self.frames[0];
        frame.load(inputs, &leaves, layout)?;
        frame.expect(grid);
        let positions: HashMap<&Path, u32> = leaves.iter().map(|(leaf, _)| leaf).zip(0..).collect();
        let wrt_indices: Option<Vec<u32>> = wrt.iter().map(|path| positions.get(path).copied()).collect();
        let wrt_indices = wrt_indices.ok_or_else(|| ModelError::refused("an input to differentiate by is absent"))?;
        let text = |path: &Path| {
            CString::new(path.to_string())
                .map_err(|_| ModelError::refused(format!("{path}: a key with a NUL cannot cross the C ABI")))
        };
        let of_texts: Vec<CString> = of.iter().map(text).collect::<Result<_, _>>()?;
        let of_pointers: Vec<*const c_char> = of_texts.iter().map(|text| text.as_ptr()).collect();
        let names: Vec<CString> = vectors.iter().map(|(path, _)| text(path)).collect::<Result<_, _>>()?;
        let shapes: Vec<Vec<i64>> =
            vectors.iter().map(|(_, array)| array.shape().iter().map(|&d| d as i64).collect()).collect();
        let arrays: Vec<abi::Array> = vectors
            .iter()
            .zip(names.iter().zip(&shapes))
            .map(|((_, array), (name, shape))| abi::Array {
                path: name.as_ptr(),
                dtype: abi::code(array.dtype()),
                ndim: shape.len() as u32,
                shape: shape.as_ptr(),
                data: array.bytes().as_ptr().cast(),
            })
            .collect();
        let question = abi::Derivative {
            size: size_of::<abi::Derivative>() as u32,
            n_wrt: wrt_indices.len() as u32,
            wrt: wrt_indices.as_ptr(),
            n_of: of_pointers.len() as u32,
            of: of_pointers.as_ptr(),
            vectors: if arrays.is_empty() { std::ptr::null() } else { arrays.as_ptr() },
            block: give_block,
        };
        let call = frame.begin();
        let _inside = crash::inside(self.handle.library.name);
        // SAFETY: the table was checked; the call, the question and all they point to outlive the call.
        let status = unsafe { function(self.handle.instance, call, &raw const question) };
        judge(&self.handle, frame.outcome(status))?;
        frame.take_blocks()
    }

    fn sweep_resident(&mut self, base: &Base, batch: &mut dyn Batch) {
        let _inside = crash::inside(self.handle.library.name);
        match self.handle.library.table.apply_batch {
            Some(apply_batch) => self.sweep_together(apply_batch, base, batch),
            None => self.sweep_singly(base, batch),
        }
    }

    /// Sweeps points one call at a time.
    fn sweep_singly(&mut self, base: &Base, batch: &mut dyn Batch) {
        let Some(apply) = self.handle.library.table.apply else { unreachable!("a loaded table has apply") };
        let instance = self.handle.instance;
        let frame = &mut self.frames[0];
        let mut displacement = Displacement::new();
        let mut buffer = Vec::new();
        for k in 0..batch.len() {
            if let Err(error) = alive(&self.handle) {
                let _ = batch.tell(k, Err(error));
                return;
            }
            batch.displace(k, &mut displacement);
            frame.displace(&displacement, base);
            let call = frame.begin();
            // SAFETY: the table was checked; the frame, which owns all the call points to, is not touched until
            // the function returns.
            let status = unsafe { apply(instance, call) };
            let told = match judge(&self.handle, frame.outcome(status)) {
                Ok(()) => batch.tell(k, frame.gather(base, &mut buffer)),
                Err(error) => batch.tell(k, Err(error)),
            };
            frame.restore(&displacement, base);
            if told.is_break() {
                return;
            }
        }
    }

    /// Sweeps points many at a call.
    fn sweep_together(&mut self, apply_batch: abi::ApplyBatchFn, base: &Base, batch: &mut dyn Batch) {
        let instance = self.handle.instance;
        let width = self.frames.len();
        let mut displacements = vec![Displacement::new(); width];
        let mut buffer = Vec::new();
        let mut statuses = [abi::FAILED; BATCH];
        for start in (0..batch.len()).step_by(width) {
            let count = width.min(batch.len() - start);
            if let Err(error) = alive(&self.handle) {
                let _ = batch.tell(start, Err(error));
                return;
            }
            let mut calls = [std::ptr::null_mut(); BATCH];
            // What the plugin does not speak of has failed.
            statuses.fill(abi::FAILED);
            for (i, (frame, displacement)) in self.frames.iter_mut().zip(&mut displacements).take(count).enumerate() {
                batch.displace(start + i, displacement);
                frame.displace(displacement, base);
                calls[i] = frame.begin();
            }
            // SAFETY: the table was checked; `count` calls and statuses are there, and the frames are not touched
            // until the function returns.
            let overall = unsafe { apply_batch(instance, count as u32, calls.as_ptr(), statuses.as_mut_ptr()) };
            let mut told = ControlFlow::Continue(());
            for (i, (frame, displacement)) in self.frames.iter_mut().zip(&displacements).take(count).enumerate() {
                if told.is_continue() {
                    let status = if overall == abi::OK { statuses[i] } else { overall };
                    told = match judge(&self.handle, frame.outcome(status)) {
                        Ok(()) => batch.tell(start + i, frame.gather(base, &mut buffer)),
                        Err(error) => batch.tell(start + i, Err(error)),
                    };
                }
                frame.restore(displacement, base);
            }
            if told.is_break() {
                return;
            }
        }
    }
}

impl Instance for LibraryInstance {
    fn natives(&self) -> Natives {
        let table = &self.handle.library.table;
        Natives {
            jacobian: table.jacobian.is_some(),
            jvp: table.jvp.is_some(),
            vjp: table.vjp.is_some(),
            abstract_eval: table.abstract_eval.is_some(),
        }
    }

    fn heed(&mut self, cancel: &Cancel) {
        self.cancel = cancel.clone();
        self.frames.iter_mut().for_each(|frame| frame.heed(cancel));
    }

    fn apply(&mut self, inputs: &Tree) -> Result<Tree, ModelError> {
        alive(&self.handle)?;
        let leaves = inputs.leaves();
        let layout = self.layout(&leaves);
        let Some(apply) = self.handle.library.table.apply else { unreachable!("a loaded table has apply") };
        let frame = &mut self.frames[0];
        frame.load(inputs, &leaves, layout)?;
        let call = frame.begin();
        let _inside = crash::inside(self.handle.library.name);
        // SAFETY: the table was checked; the frame, which owns all the call points to, is not touched until
        // the function returns.
        let status = unsafe { apply(self.handle.instance, call) };
        judge(&self.handle, frame.outcome(status))?;
        self.signature.outputs_from_tree(&frame.outputs()?).map_err(|violations| ModelError::nonconforming(&violations))
    }

    fn sweep(&mut self, base: &Base, batch: &mut dyn Batch) {
        let apply_batch = self.handle.library.table.apply_batch;
        let width = if apply_batch.is_some() { BATCH.min(batch.len().max(1)) } else { 1 };
        while self.frames.len() < width {
            let mut frame = Frame::new(self.signature.clone(), false);
            frame.heed(&self.cancel);
            self.frames.push(frame);
        }
        if self.frames.iter().all(|frame| frame.holds(base)) {
            return self.sweep_resident(base, batch);
        }
        let leaves = base.inputs.leaves();
        let layout = self.layout(&leaves);
        for frame in &mut self.frames {
            if let Err(error) = frame.reside(base, &leaves, layout) {
                let _ = batch.tell(0, Err(error));
                return;
            }
        }
        self.sweep_resident(base, batch);
    }

    fn jacobian(&mut self, inputs: &Tree, wrt: &[Path], of: &[Path]) -> Result<Vec<Array>, ModelError> {
        let function = self.handle.library.table.jacobian;
        self.derivative(function, inputs, wrt, of, &[], Grid::Jacobian { n_of: of.len(), n_wrt: wrt.len() })
    }

    fn jvp(&mut self, inputs: &Tree, tangents: &[(Path, Array)], of: &[Path]) -> Result<Vec<Array>, ModelError> {
        let function = self.handle.library.table.jvp;
        let wrt: Vec<_> = tangents.iter().map(|(path, _)| path.clone()).collect();
        self.derivative(function, inputs, &wrt, of, tangents, Grid::Jvp { n_of: of.len() })
    }

    fn vjp(&mut self, inputs: &Tree, cotangents: &[(Path, Array)], wrt: &[Path]) -> Result<Vec<Array>, ModelError> {
        let function = self.handle.library.table.vjp;
        let of: Vec<_> = cotangents.iter().map(|(path, _)| path.clone()).collect();
        self.derivative(function, inputs, wrt, &of, cotangents, Grid::Vjp { n_wrt: wrt.len() })
    }

    fn abstract_eval(&mut self, inputs: &Tree<Abstract>) -> Result<Tree<Abstract>, ModelError> {
        let Some(function) = self.handle.library.table.abstract_eval else {
            return Err(ModelError::broken("the model has no abstract_eval"));
        };
        alive(&self.handle)?;
        let mut frame = Frame::new(self.signature.clone(), true);
        // A layout of its own: the next evaluation's is another.
        self.layout = (Vec::new(), self.handle.next_layout());
        frame.load_shapes(inputs, self.layout.1)?;
        let call = frame.begin();
        let _inside = crash::inside(self.handle.library.name);
        // SAFETY: the table was checked; the frame, which owns all the call points to, is not touched until
        // the function returns.
        let status = unsafe { function(self.handle.instance, call) };
        judge(&self.handle, frame.outcome(status))?;
        frame.shapes()
    }
}
