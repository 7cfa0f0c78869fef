//! Evaluations by a function: inputs into its memory, the call, outputs out of it.

use std::sync::{Arc, MutexGuard, PoisonError};

use super::super::crash;
use super::Function;
use super::call::{Call, Slot, read_integer};
use super::sizes::{Known, path};
use crate::diff::Displacement;
use crate::model::{Base, Batch, Instance, ModelError, Natives};
use crate::tree::{Abstract, Array, Path, Span, Tree, read_coordinates};

pub(super) struct SymbolInstance {
    function: Arc<Function>,
    call: Call,
    /// The base that is resident.
    base: Option<u64>,
    /// Where the base's coordinates and outputs are, for each of their spans.
    displaced: Vec<usize>,
    wanted: Vec<usize>,
    /// An output's bytes by rows, where they lie otherwise.
    scratch: Vec<u64>,
}

impl SymbolInstance {
    pub(super) fn new(function: Arc<Function>) -> SymbolInstance {
        let call = Call::new(&function.prototype, function.address());
        SymbolInstance { function, call, base: None, displaced: Vec::new(), wanted: Vec::new(), scratch: Vec::new() }
    }

    /// Writes whole inputs.
    fn load(&mut self, inputs: &Tree) -> Result<(), ModelError> {
        self.base = None;
        let prototype = &self.function.prototype;
        let leaves = self.function.inputs.iter().map(|input| input.as_ref().and_then(|path| inputs.leaf(path)));
        let leaves: Vec<Option<&Array>> = leaves.collect();
        for (leaf, argument) in leaves.iter().zip(&prototype.arguments) {
            if let Some(array) = leaf.filter(|array| array.dtype() != argument.dtype) {
                let (name, dtype) = (&argument.name, argument.dtype);
                return Err(ModelError::refused(format!("{name} is {}, the function takes {dtype}", array.dtype())));
            }
        }
        let sizes = prototype.sizes(&Values(&leaves))?;
        self.call.fit(prototype, &sizes)?;
        for (index, leaf) in leaves.iter().enumerate() {
            if let Some(array) = leaf {
                self.call.slot_mut(index).write_by_rows(array.bytes());
            }
        }
        Ok(())
    }

    /// Calls, and sees that nothing was written that should not be: the first call with new memory.
    fn run_watched(&mut self) -> Result<(), ModelError> {
        let before = self.call.read_only();
        self.call.run();
        if let Some(argument) = self.call.overwritten(&before) {
            let name = &self.function.prototype.arguments[argument].name;
            // Every later point would be another than is thought.
            return Err(ModelError::broken(format!(
                "{} has overwritten {name}, which symbol.call says it only reads: mark it `inout`, or `in work` if \
                 nobody wants what it then holds",
                self.function.symbol
            )));
        }
        self.judge()
    }

    #[inline]
    fn judge(&self) -> Result<(), ModelError> {
        let Some(status) = self.function.status else { return Ok(()) };
        let number = self.call.slot(status).integer();
        if number == 0 { Ok(()) } else { Err(self.failure(status, number)) }
    }

    #[cold]
    fn failure(&self, status: usize, number: i64) -> ModelError {
        let symbol = &self.function.symbol;
        ModelError::failed(match self.function.prototype.arguments.get(status) {
            Some(argument) => format!("{symbol} set {} to {number}, not to 0", argument.name),
            None => format!("{symbol} returned the status {number}, not 0"),
        })
    }

    fn outputs(&self) -> Result<Tree, ModelError> {
        let outputs = self.function.outputs.iter().map(|(path, index)| {
            let slot = self.call.slot(*index);
            let mut array = Array::zeros(slot.dtype(), slot.shape());
            slot.read_by_rows(array.bytes_mut());
            (path.to_string(), Tree::Leaf(array))
        });
        let tree = Tree::fields(outputs);
        let signature = &self.function.signature;
        signature.outputs_from_tree(&tree).map_err(|violations| ModelError::nonconforming(&violations))
    }

    /// Makes a base resident.
    fn reside(&mut self, base: &Base) -> Result<(), ModelError> {
        self.load(&base.inputs)?;
        let Function { inputs, outputs, .. } = &*self.function;
        let input = |span: &Span| inputs.iter().position(|input| input.as_ref() == Some(&span.path));
        let output = |span: &Span| outputs.iter().find(|(path, _)| *path == span.path).map(|(_, index)| *index);
        let unknown = || ModelError::broken("asked for what the function does not have");
        self.displaced = base.wrt.spans().iter().map(input).collect::<Option<_>>().ok_or_else(unknown)?;
        self.wanted = base.of.spans().iter().map(output).collect::<Option<_>>().ok_or_else(unknown)?;
        let largest = self.wanted.iter().map(|index| self.call.slot(*index).bytes().len()).max().unwrap_or(0);
        self.scratch.resize(largest.div_ceil(8), 0);
        for (index, span) in self.wanted.iter().zip(base.of.spans()) {
            let shape = self.call.slot(*index).shape();
            if *shape != *span.shape {
                let (path, was) = (&span.path, &span.shape);
                return Err(ModelError::failed(format!(
                    "output {path} was of shape {was:?} before and is now {shape:?}"
                )));
            }
        }
        self.base = Some(base.id());
        Ok(())
    }

    /// Writes coordinates of the base, in ascending order.
    #[inline]
    fn write(&mut self, base: &Base, changes: impl Iterator<Item = (usize, f64)>) {
        let spans = base.wrt.spans();
        let mut at = 0;
        for (coordinate, value) in changes {
            while coordinate >= spans[at].offset + spans[at].len {
                at += 1;
            }
            self.call.slot_mut(self.displaced[at]).write(coordinate - spans[at].offset, value);
        }
    }

    /// The ravelled outputs of interest: the function's own memory where that is all there is.
    #[inline]
    fn gather<'b>(&'b mut self, base: &Base, buffer: &'b mut [f64]) -> &'b [f64] {
        if let [index] = self.wanted[..]
            && self.call.slot(index).doubles().is_some()
        {
            return self.call.slot(index).doubles().unwrap_or_default();
        }
        for (index, span) in self.wanted.iter().zip(base.of.spans()) {
            let slot: &Slot = self.call.slot(*index);
            let out = &mut buffer[span.offset..span.offset + span.len];
            match slot.doubles() {
                Some(values) => out.copy_from_slice(values),
                None => {
                    let bytes = &mut bytemuck::cast_slice_mut(&mut self.scratch)[..slot.bytes().len()];
                    slot.read_by_rows(bytes);
                    read_coordinates(slot.dtype(), bytes, out);
                }
            }
        }
        buffer
    }
}

/// The function's gate, entered: calls of other instances wait.
fn enter(function: &Function) -> Option<MutexGuard<'_, ()>> {
    function.gate.as_ref().map(|gate| gate.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Instance for SymbolInstance {
    fn natives(&self) -> Natives {
        Natives { abstract_eval: self.function.prototype.shapes_suffice(), ..Natives::default() }
    }

    fn apply(&mut self, inputs: &Tree) -> Result<Tree, ModelError> {
        let function = self.function.clone();
        self.load(inputs)?;
        let entered = enter(&function);
        let _inside = crash::inside(function.name);
        self.run_watched()?;
        drop(entered);
        self.outputs()
    }

    fn sweep(&mut self, base: &Base, batch: &mut dyn Batch) {
        let function = self.function.clone();
        let _entered = enter(&function);
        let _inside = crash::inside(function.name);
        let mut watched = false;
        if self.base != Some(base.id()) {
            if let Err(error) = self.reside(base) {
                let _ = batch.tell(0, Err(error));
                return;
            }
            watched = true;
        }
        let mut displacement = Displacement::new();
        let mut buffer = vec![0.0; base.of.len()];
        for k in 0..batch.len() {
            batch.displace(k, &mut displacement);
            self.write(base, displacement.iter().copied());
            let outcome = if std::mem::take(&mut watched) {
                self.run_watched()
            } else {
                self.call.run();
                self.judge()
            };
            let fatal = outcome.as_ref().is_err_and(|error| error.kind.is_fatal());
            let told = match outcome {
                Ok(()) => batch.tell(k, Ok(self.gather(base, &mut buffer))),
                Err(error) => batch.tell(k, Err(error)),
            };
            self.write(base, displacement.iter().map(|&(i, _)| (i, base.x[i])));
            if told.is_break() || fatal {
                return;
            }
        }
    }

    fn abstract_eval(&mut self, inputs: &Tree<Abstract>) -> Result<Tree<Abstract>, ModelError> {
        let Function { prototype, inputs: paths, outputs, .. } = &*self.function;
        let leaves = paths.iter().map(|input| input.as_ref().and_then(|path| inputs.leaf(path)));
        let leaves: Vec<Option<&Abstract>> = leaves.collect();
        let sizes = prototype.sizes(&Shapes(&leaves))?;
        let leaf = |(path, index): &(Path, usize)| {
            let (dtype, shape) = match prototype.arguments.get(*index) {
                Some(argument) => (argument.dtype, sizes.shapes[*index].clone()?),
                None => (prototype.result.as_ref()?.dtype, Box::default()),
            };
            Some((path.to_string(), Tree::Leaf(Abstract { dtype, shape })))
        };
        let leaves: Option<Vec<_>> = outputs.iter().map(leaf).collect();
        leaves.map(Tree::fields).ok_or_else(|| ModelError::broken("shapes alone do not tell the outputs' shapes"))
    }
}

/// Inputs with values.
struct Values<'l, 't>(&'l [Option<&'t Array>]);

impl Known for Values<'_, '_> {
    fn shape(&self, argument: usize) -> Option<&[usize]> {
        self.0[argument].map(Array::shape)
    }

    fn number(&self, argument: usize) -> Option<i64> {
        let array = self.0[argument].filter(|array| array.len() == 1)?;
        Some(read_integer(array.bytes(), array.dtype()))
    }
}

/// Inputs of which only shapes are known.
struct Shapes<'l, 't>(&'l [Option<&'t Abstract>]);

impl Known for Shapes<'_, '_> {
    fn shape(&self, argument: usize) -> Option<&[usize]> {
        self.0[argument].map(|leaf| &*leaf.shape)
    }

    fn number(&self, _argument: usize) -> Option<i64> {
        None
    }
}

/// The paths of inputs, and of outputs with their slots.
pub(super) fn paths(function: &super::Prototype, wanted: &[String]) -> (Vec<Option<Path>>, Vec<(Path, usize)>) {
    let inputs = function.arguments.iter().map(|argument| argument.role.is_input().then(|| path(&argument.name)));
    let outputs = wanted.iter().filter_map(|name| Some((path(name), function.output(name)?)));
    (inputs.collect(), outputs.collect())
}
