//! Derivatives that a model has itself: what is asked for, and where the answers go.
//!
//! They are `f64`, or `Complex<f64>` where the leaf is complex, whatever the precision of the leaf.

use super::call::{Leaf, Question};
use super::inputs::Input;
use super::{Fault, Key};
use crate::tree::Element;

/// Tangents of inputs, or cotangents of outputs, by their paths. Those not among them are zero.
#[derive(Clone, Copy)]
pub struct Vectors<'c> {
    arrays: &'c [Leaf],
}

impl<'c> Vectors<'c> {
    pub(super) fn new(arrays: &'c [Leaf]) -> Vectors<'c> {
        Vectors { arrays }
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Input<'c>> + use<'c> {
        self.arrays.iter().map(Input::new)
    }

    /// The vector of the leaf at `path`; `None` if it is zero.
    pub fn slice<T: Element>(&self, path: &str) -> Result<Option<&'c [T]>, Fault> {
        self.iter().find(|array| array.path() == path).map(|array| array.slice()).transpose()
    }
}

/// What both products and Jacobians know.
struct Sides<'c> {
    question: Question<'c>,
    inputs: &'c [Leaf],
}

impl<'c> Sides<'c> {
    fn wrt(&self) -> impl ExactSizeIterator<Item = Input<'c>> + use<'c> {
        let inputs = self.inputs;
        self.question.wrt.iter().map(move |index| Input::new(&inputs[*index as usize]))
    }

    fn input(&self, key: Key<'_>) -> Option<usize> {
        self.question.wrt.iter().position(|index| match key {
            Key::Index(wanted) => *index as usize == wanted,
            Key::Path(path) => self.inputs[*index as usize].path() == path,
        })
    }

    fn output(&self, path: &str) -> Option<usize> {
        self.question.of().position(|of| of == path)
    }
}

macro_rules! answers {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub struct $name<'c> {
            sides: Sides<'c>,
        }

        impl<'c> $name<'c> {
            /// # Safety
            /// It is the only one of its question.
            pub(super) unsafe fn new(question: Question<'c>) -> Self {
                $name { sides: Sides { question, inputs: question.call.arrays() } }
            }
        }
    };
}

answers! {
    /// The products of a [`jvp`](super::Jvp::jvp): one array for each output asked for.
    Products
}
answers! {
    /// The products of a [`vjp`](super::Vjp::vjp): one array for each input asked for.
    Gradients
}
answers! {
    /// The blocks of a [`jacobian`](super::Jacobian::jacobian): one for each pair of output and input.
    Blocks
}

impl<'c> Products<'c> {
    /// The paths of the outputs asked for.
    pub fn of(&self) -> impl ExactSizeIterator<Item = &'c str> + use<'c> {
        self.sides.question.of()
    }

    /// Zeros for the product of one output, whose shape is `shape`; `None` if it is not asked for.
    pub fn slice_mut<T: Element>(&mut self, of: &str, shape: &[usize]) -> Result<Option<&mut [T]>, Fault> {
        let Some(of) = self.sides.output(of) else { return Ok(None) };
        let question = self.sides.question;
        // SAFETY: the only one of its question, as `new` was promised, and borrowed for as long as the buffer.
        unsafe { question.call.elements(&question.block(of, 0), shape) }.map(Some)
    }
}

impl<'c> Gradients<'c> {
    /// The inputs asked for.
    pub fn wrt(&self) -> impl ExactSizeIterator<Item = Input<'c>> + use<'c> {
        self.sides.wrt()
    }

    /// Zeros for the gradient with respect to one input, of its shape; `None` if it is not asked for.
    pub fn slice_mut<'k, T: Element>(&mut self, wrt: impl Into<Key<'k>>) -> Result<Option<&mut [T]>, Fault> {
        let Some(wrt) = self.sides.input(wrt.into()) else { return Ok(None) };
        let question = self.sides.question;
        let shape = self.sides.inputs[question.wrt[wrt] as usize].shape();
        // SAFETY: the only one of its question, as `new` was promised, and borrowed for as long as the buffer.
        unsafe { question.call.elements(&question.block(0, wrt), shape) }.map(Some)
    }
}

impl<'c> Blocks<'c> {
    /// The paths of the outputs asked for.
    pub fn of(&self) -> impl ExactSizeIterator<Item = &'c str> + use<'c> {
        self.sides.question.of()
    }

    /// The inputs asked for.
    pub fn wrt(&self) -> impl ExactSizeIterator<Item = Input<'c>> + use<'c> {
        self.sides.wrt()
    }

    /// Zeros for the block of one output, whose shape is `shape`, with respect to one input: in C order, output
    /// elements outermost. `None` if it is not asked for.
    pub fn slice_mut<'k, T: Element>(
        &mut self,
        of: &str,
        shape: &[usize],
        wrt: impl Into<Key<'k>>,
    ) -> Result<Option<&mut [T]>, Fault> {
        let (Some(of), Some(wrt)) = (self.sides.output(of), self.sides.input(wrt.into())) else { return Ok(None) };
        let question = self.sides.question;
        let input = self.sides.inputs[question.wrt[wrt] as usize].shape();
        let shape = [shape, input].concat();
        // SAFETY: the only one of its question, as `new` was promised, and borrowed for as long as the buffer.
        unsafe { question.call.elements(&question.block(of, wrt), &shape) }.map(Some)
    }
}
