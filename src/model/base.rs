//! The base point of a derivative and the batches of points displaced from it.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Instance, ModelError};
use crate::diff::Displacement;
use crate::tree::{Layout, Tree};

/// A point around which derivatives are taken, and which outputs they are of.
#[derive(Clone, Debug)]
pub struct Base {
    id: u64,
    /// The whole input.
    pub inputs: Tree,
    /// The leaves that are displaced, in the order of the coordinates.
    pub wrt: Layout,
    /// Their values: the coordinates of the base.
    pub x: Arc<[f64]>,
    /// The outputs wanted, with their shapes.
    pub of: Layout,
}

impl Base {
    /// A base; `of` is usually known only after a first evaluation.
    pub fn new(inputs: Tree, wrt: Layout, of: Layout) -> Base {
        let mut x: Arc<[f64]> = std::iter::repeat_n(0.0, wrt.len()).collect();
        let values = Arc::get_mut(&mut x).unwrap_or_else(|| unreachable!("it was just made"));
        wrt.ravel(&inputs, values).unwrap_or_else(|mismatch| panic!("layout of other inputs: {mismatch}"));
        Base { id: new_id(), inputs, wrt, x, of }
    }

    /// No other base of this process has the same.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The same base, asking for the given outputs.
    pub fn with_outputs(self, of: Layout) -> Base {
        Base { of, id: new_id(), ..self }
    }

    /// Whether a point that came over a wire is one of this base: its coordinates exist, and ascend.
    pub fn check(&self, point: &Displacement) -> Result<(), ModelError> {
        let ascending = point.windows(2).all(|pair| pair[0].0 < pair[1].0);
        if ascending && point.last().is_none_or(|(last, _)| *last < self.wrt.len()) {
            return Ok(());
        }
        Err(ModelError::refused(format!("a point's coordinates must ascend and be below {}", self.wrt.len())))
    }

    /// The inputs with some coordinates displaced.
    pub fn displaced(&self, displacement: &Displacement) -> Tree {
        let mut inputs = self.inputs.clone();
        displace(&mut inputs, &self.wrt, displacement.iter().copied());
        inputs
    }
}

fn new_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Points displaced from a base, and where their outcomes go.
#[allow(clippy::len_without_is_empty)] // nobody asks for an empty one
pub trait Batch {
    /// The number of points.
    fn len(&self) -> usize;

    /// The k-th point; any may be asked for at any time.
    fn displace(&self, k: usize, out: &mut Displacement);

    /// The ravelled outcome of the k-th point, or its failure. In order. On `Break` nothing more is wanted.
    fn tell(&mut self, k: usize, outcome: Result<&[f64], ModelError>) -> ControlFlow<()>;
}

fn displace(inputs: &mut Tree, wrt: &Layout, changes: impl Iterator<Item = (usize, f64)>) {
    let mut changes = changes.peekable();
    while let Some(&(first, _)) = changes.peek() {
        let span = &wrt.spans()[wrt.locate(first)];
        let end = span.offset + span.len;
        let Some(array) = inputs.leaf_mut(&span.path) else { unreachable!("a layout's leaf is in its tree") };
        while let Some((coordinate, value)) = changes.next_if(|(coordinate, _)| *coordinate < end) {
            array.set(coordinate - span.offset, value);
        }
    }
}

/// The sweep of an instance that has nothing better: displace a scratch tree, apply, ravel, restore.
pub(super) fn sweep_by_apply<I: Instance + ?Sized>(instance: &mut I, base: &Base, batch: &mut dyn Batch) {
    let mut inputs = base.inputs.clone();
    let mut displacement = Displacement::new();
    let mut outcome = vec![0.0; base.of.len()];
    for k in 0..batch.len() {
        batch.displace(k, &mut displacement);
        displace(&mut inputs, &base.wrt, displacement.iter().copied());
        let result = instance.apply(&inputs).and_then(|outputs| {
            base.of.ravel(&outputs, &mut outcome).map_err(|mismatch| ModelError::failed(format!("output {mismatch}")))
        });
        let fatal = result.as_ref().is_err_and(|error| error.kind.is_fatal());
        if batch.tell(k, result.map(|()| &outcome[..])).is_break() || fatal {
            return;
        }
        displace(&mut inputs, &base.wrt, displacement.iter().map(|&(i, _)| (i, base.x[i])));
    }
}
