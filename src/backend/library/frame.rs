//! One call across the border: the inputs laid out as C sees them, and the outputs.
//!
//! A frame is kept from call to call. Its base stays resident: the displaced leaves in buffers of its
//! own, all others shared with the caller's tree, whatever their size.

use std::collections::HashMap;
use std::ffi::{CString, c_void};
use std::ops::Range;
use std::sync::Arc;

use super::abi;
use super::outputs::Outputs;
use super::reach::{self, Block, Grid, Reach, State};
use crate::model::{Base, Cancel, ModelError, ModelErrorKind};
use crate::schema::Signature;
use crate::tree::{Abstract, Array, DType, Path, Tree, read_coordinates, write_coordinate};

/// A call and all the memory it points to.
pub(super) struct Frame {
    call: Box<abi::Call>,
    reach: Box<Reach>,
    inputs: Inputs,
    /// The base that is resident, and where its outputs of interest are written.
    base: Option<u64>,
    slots: Vec<usize>,
    /// Coordinates that are not where the base has them.
    astray: Range<usize>,
}

/// The inputs of a call. The pointers in `arrays` lead into the other fields' heap memory.
#[derive(Default)]
struct Inputs {
    arrays: Vec<abi::Array>,
    /// The paths and shapes that `arrays` points to.
    _texts: Vec<(CString, Box<[i64]>)>,
    shared: Vec<Array>,
    displaced: Vec<Displaced>,
    json: CString,
}

/// A leaf that is displaced: a copy of its own.
struct Displaced {
    offset: usize,
    len: usize,
    dtype: DType,
    words: Vec<u64>,
}

impl Displaced {
    fn end(&self) -> usize {
        self.offset + self.len
    }
}

// SAFETY: all pointers of a frame lead to memory that it owns, or shares immutably, and that stays where it
// is when the frame moves.
unsafe impl Send for Frame {}

impl Frame {
    pub(super) fn new(signature: Arc<Signature>, shapes_only: bool) -> Frame {
        let outputs = Outputs::new(&signature, shapes_only);
        let grid = Grid::Jvp { n_of: 0 };
        let state = State { signature, outputs, blocks: Vec::new(), grid, message: None };
        let reach = Box::new(Reach { cancel: Cancel::default(), state });
        let call = Box::new(abi::Call {
            size: size_of::<abi::Call>() as u32,
            n_inputs: 0,
            inputs: std::ptr::null(),
            layout: 0,
            json: c"{}".as_ptr(),
            host: std::ptr::null_mut(),
            output: reach::give_output,
            output_at: reach::give_output_at,
            output_json: reach::take_json,
            message: reach::take_message,
            cancelled: reach::is_cancelled,
        });
        Frame { call, reach, inputs: Inputs::default(), base: None, slots: Vec::new(), astray: 0..0 }
    }

    /// Whom calls are for from now on.
    pub(super) fn heed(&mut self, cancel: &Cancel) {
        self.reach.cancel = cancel.clone();
    }

    /// Lays out a whole tree of inputs. `layout` is their number as the plugin sees it.
    pub(super) fn load(&mut self, inputs: &Tree, leaves: &[(Path, &Array)], layout: u64) -> Result<(), ModelError> {
        self.base = None;
        self.lay_out(inputs, leaves, layout, |array| array.bytes().as_ptr().cast())?;
        self.inputs.shared = leaves.iter().map(|(_, array)| (*array).clone()).collect();
        Ok(())
    }

    /// Lays out shapes alone: every data pointer is null.
    pub(super) fn load_shapes(&mut self, inputs: &Tree<Abstract>, layout: u64) -> Result<(), ModelError> {
        self.base = None;
        self.lay_out(inputs, &inputs.leaves(), layout, |_| std::ptr::null())
    }

    /// Whether a base is resident.
    pub(super) fn holds(&self, base: &Base) -> bool {
        self.base == Some(base.id())
    }

    /// Makes a base resident.
    pub(super) fn reside(&mut self, base: &Base, leaves: &[(Path, &Array)], layout: u64) -> Result<(), ModelError> {
        self.load(&base.inputs, leaves, layout)?;
        let positions: HashMap<&Path, usize> = leaves.iter().map(|(path, _)| path).zip(0..).collect();
        for span in base.wrt.spans() {
            let Some(&index) = positions.get(&span.path) else { unreachable!("a layout's leaf is in its tree") };
            let bytes = self.inputs.shared[index].bytes();
            let mut words = vec![0u64; bytes.len().div_ceil(8)];
            bytemuck::cast_slice_mut::<u64, u8>(&mut words)[..bytes.len()].copy_from_slice(bytes);
            self.inputs.arrays[index].data = words.as_ptr().cast();
            self.inputs.displaced.push(Displaced { offset: span.offset, len: span.len, dtype: span.dtype, words });
        }
        self.slots.clear();
        self.astray = 0..0;
        self.base = Some(base.id());
        Ok(())
    }

    fn lay_out<A: Typed>(
        &mut self,
        inputs: &Tree<A>,
        leaves: &[(Path, &A)],
        layout: u64,
        data: impl Fn(&A) -> *const c_void,
    ) -> Result<(), ModelError> {
        let text = |path: &dyn std::fmt::Display| {
            CString::new(path.to_string())
                .map_err(|_| ModelError::refused(format!("{path}: a key with a NUL cannot cross the C ABI")))
        };
        let mut json = serde_json::Map::new();
        for (path, value) in inputs.texts() {
            let value = serde_json::from_str(value).map_err(|error| ModelError::broken(format!("{path}: {error}")))?;
            json.insert(path.to_string(), value);
        }
        let json = CString::new(serde_json::Value::Object(json).to_string())
            .map_err(|_| ModelError::refused("a text with a NUL cannot cross the C ABI"))?;
        let mut texts = Vec::with_capacity(leaves.len());
        let mut arrays = Vec::with_capacity(leaves.len());
        for (path, leaf) in leaves {
            let (dtype, shape) = leaf.typed();
            texts.push((text(path)?, shape.iter().map(|&d| d as i64).collect::<Box<[i64]>>()));
            let (path, shape) = &texts[texts.len() - 1];
            arrays.push(abi::Array {
                path: path.as_ptr(),
                dtype: abi::code(dtype),
                ndim: shape.len() as u32,
                shape: shape.as_ptr(),
                data: data(leaf),
            });
        }
        self.inputs = Inputs { arrays, _texts: texts, shared: Vec::new(), displaced: Vec::new(), json };
        self.call.n_inputs = self.inputs.arrays.len() as u32;
        self.call.inputs = self.inputs.arrays.as_ptr();
        self.call.json = self.inputs.json.as_ptr();
        self.call.layout = layout;
        Ok(())
    }

    /// Displaces coordinates of the resident base.
    #[inline]
    pub(super) fn displace(&mut self, displacement: &[(usize, f64)], base: &Base) {
        // Where the same coordinates move again they are overwritten anyway.
        if !self.astray.is_empty() && stretch(displacement) != Some(self.astray.clone()) {
            let astray = std::mem::take(&mut self.astray);
            self.put_back(astray, base);
        }
        self.write(displacement, |_, value| value);
    }

    /// Puts displaced coordinates back; neighbours not before others are displaced.
    #[inline]
    pub(super) fn restore(&mut self, displacement: &[(usize, f64)], base: &Base) {
        let x = &base.x[..];
        match stretch(displacement) {
            Some(astray) => self.astray = astray,
            None => self.write(displacement, |coordinate, _| x[coordinate]),
        }
    }

    fn put_back(&mut self, range: Range<usize>, base: &Base) {
        let leaves = &mut self.inputs.displaced;
        let first = leaves.partition_point(|leaf| leaf.end() <= range.start);
        for leaf in leaves[first..].iter_mut().take_while(|leaf| leaf.offset < range.end) {
            let (from, to) = (range.start.max(leaf.offset), range.end.min(leaf.end()));
            for (element, value) in (from - leaf.offset..).zip(&base.x[from..to]) {
                set(&mut leaf.words, leaf.dtype, element, *value);
            }
        }
    }

    #[inline(always)]
    fn write(&mut self, mut changes: &[(usize, f64)], value: impl Fn(usize, f64) -> f64) {
        while let Some(&(first, _)) = changes.first() {
            let leaves = &mut self.inputs.displaced;
            let at = if leaves.len() == 1 { 0 } else { leaves.partition_point(|leaf| leaf.end() <= first) };
            let leaf = &mut leaves[at];
            let (offset, end, dtype) = (leaf.offset, leaf.end(), leaf.dtype);
            let inside = match changes.last() {
                Some(&(last, _)) if last < end => changes.len(),
                _ => changes.partition_point(|&(coordinate, _)| coordinate < end),
            };
            let (here, others) = changes.split_at(inside);
            let words = &mut leaf.words[..];
            for &(coordinate, displaced) in here {
                set(words, dtype, coordinate - offset, value(coordinate, displaced));
            }
            changes = others;
        }
    }

    /// The call, to be handed to one function of the table that returns before anything else is done
    /// with the frame.
    #[inline]
    pub(super) fn begin(&mut self) -> *mut abi::Call {
        self.reach.state.outputs.begin();
        self.reach.state.message = None;
        self.call.host = (&raw mut *self.reach).cast();
        &raw mut *self.call
    }

    /// Makes room for the blocks of a native derivative.
    pub(super) fn expect(&mut self, grid: Grid) {
        self.reach.state.grid = grid;
        self.reach.state.blocks.clear();
        self.reach.state.blocks.resize_with(grid.blocks(), Block::default);
    }

    /// What a status means.
    #[inline]
    pub(super) fn outcome(&mut self, status: abi::Status) -> Result<(), ModelError> {
        if status == abi::OK && !self.reach.state.outputs.is_defective() { Ok(()) } else { self.failure(status) }
    }

    #[cold]
    fn failure(&mut self, status: abi::Status) -> Result<(), ModelError> {
        let defect = self.reach.state.outputs.defect();
        let words = |otherwise: &str| match (&self.reach.state.message, &defect) {
            (Some(message), None) => message.clone(),
            (Some(message), Some(defect)) => format!("{message} ({defect})"),
            (None, Some(defect)) => defect.clone(),
            (None, None) => otherwise.to_owned(),
        };
        match status {
            abi::OK => match defect {
                None => Ok(()),
                Some(defect) => Err(ModelError::failed(defect)),
            },
            abi::REFUSED => Err(ModelError::refused(words("the model refused the inputs without saying why"))),
            abi::FAILED => Err(ModelError::failed(words("the model failed without saying why"))),
            abi::DEAD => Err(ModelError::new(ModelErrorKind::Crashed, words("the model gave up without saying why"))),
            other => Err(ModelError::broken(format!("the model returned the status {other}, which does not exist"))),
        }
    }

    /// All outputs of the last call.
    pub(super) fn outputs(&self) -> Result<Tree, ModelError> {
        self.reach.state.outputs.tree(&self.reach.state.signature).map_err(ModelError::failed)
    }

    /// All shapes the last call declared.
    pub(super) fn shapes(&self) -> Result<Tree<Abstract>, ModelError> {
        self.reach.state.outputs.shapes(&self.reach.state.signature).map_err(ModelError::failed)
    }

    /// The ravelled outputs of interest of the last call: the plugin's own buffer where that is all
    /// there is, else gathered in `buffer`.
    #[inline]
    pub(super) fn gather<'f>(&'f mut self, base: &Base, buffer: &'f mut Vec<f64>) -> Result<&'f [f64], ModelError> {
        let spans = base.of.spans();
        if self.slots.len() != spans.len() {
            let unwritten =
                |path: &dyn std::fmt::Display| ModelError::failed(format!("the model did not write the output {path}"));
            let slots = spans
                .iter()
                .map(|span| self.reach.state.outputs.index(&span.path).ok_or_else(|| unwritten(&span.path)));
            self.slots = slots.collect::<Result<_, _>>()?;
        }
        for (&slot, span) in self.slots.iter().zip(spans) {
            let Some((dtype, shape, words)) = self.reach.state.outputs.written(slot) else {
                return Err(ModelError::failed(format!("the model did not write the output {}", span.path)));
            };
            let same =
                shape.len() == span.shape.len() && shape.iter().zip(&*span.shape).all(|(a, b)| *a as usize == *b);
            if !same {
                return Err(ModelError::failed(format!(
                    "output {} was of shape {:?} before and is now {shape:?}",
                    span.path, span.shape
                )));
            }
            let is_double = dtype == DType::Float64 || dtype == DType::Complex128;
            if is_double && spans.len() == 1 {
                return Ok(&bytemuck::cast_slice::<u64, f64>(words)[..span.len]);
            }
            buffer.resize(base.of.len(), 0.0);
            if is_double {
                let values = &bytemuck::cast_slice::<u64, f64>(words)[..span.len];
                buffer[span.offset..span.offset + span.len].copy_from_slice(values);
            } else {
                let bytes = &bytemuck::cast_slice::<u64, u8>(words)[..span.len * dtype.size() / dtype.coordinates()];
                read_coordinates(dtype, bytes, &mut buffer[span.offset..span.offset + span.len]);
            }
        }
        Ok(buffer)
    }

    /// The blocks of a native derivative, all of them.
    pub(super) fn take_blocks(&mut self) -> Result<Vec<Array>, ModelError> {
        let blocks = std::mem::take(&mut self.reach.state.blocks);
        let arrays = blocks.into_iter().map(|block| {
            let dtype = block.dtype?;
            let count = block.shape.iter().product::<usize>() * dtype.size();
            Array::from_bytes(dtype, &block.shape, &bytemuck::cast_slice::<u64, u8>(&block.words)[..count])
        });
        let arrays: Option<Vec<_>> = arrays.collect();
        arrays.ok_or_else(|| ModelError::failed("the model did not write every block of its derivative"))
    }
}

/// Writes a coordinate of a displaced leaf.
#[inline(always)]
fn set(words: &mut [u64], dtype: DType, element: usize, value: f64) {
    if dtype == DType::Float64 {
        words[element] = value.to_bits();
    } else {
        write_coordinate(bytemuck::cast_slice_mut(words), dtype, element, value);
    }
}

/// The coordinates of a displacement, if they are neighbours.
fn stretch(displacement: &[(usize, f64)]) -> Option<Range<usize>> {
    let (&(first, _), &(last, _)) = (displacement.first()?, displacement.last()?);
    (last - first + 1 == displacement.len()).then_some(first..last + 1)
}

/// Leaves that have a dtype and a shape.
trait Typed {
    fn typed(&self) -> (DType, &[usize]);
}

impl Typed for Array {
    fn typed(&self) -> (DType, &[usize]) {
        (self.dtype(), self.shape())
    }
}

impl Typed for Abstract {
    fn typed(&self) -> (DType, &[usize]) {
        (self.dtype, &self.shape)
    }
}
