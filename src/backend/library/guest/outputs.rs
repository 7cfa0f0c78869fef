//! What a model writes: the host's buffers, lent one at a time.

use serde::Serialize;

use super::call::{Call, Target};
use super::{Fault, Key};
use crate::tree::{DType, Element, Path};

/// The outputs of a call: buffers of the host, to be filled before the call returns.
///
/// Asking twice for the same output gives the same buffer, or another one if the shape is another: the
/// last one counts.
pub struct Outputs<'c> {
    call: Call<'c>,
}

impl<'c> Outputs<'c> {
    /// # Safety
    /// It is the only one of its call, which is none of `abstract_eval`.
    pub(super) unsafe fn new(call: Call<'c>) -> Outputs<'c> {
        Outputs { call }
    }

    /// The buffer of an array output, in C order. What is in it at first is of no use: write all of it.
    ///
    /// Fails if dtype or shape do not fit the schema; the host knows why, and `?` lets it say so.
    pub fn slice_mut<'k, T: Element>(&mut self, key: impl Into<Key<'k>>, shape: &[usize]) -> Result<&mut [T], Fault> {
        // SAFETY: no call of `abstract_eval`, as `new` was promised; and `self` is borrowed for as long as the buffer.
        unsafe { self.call.elements(&Target::Output(key.into()), shape) }
    }

    /// The buffers of several outputs at once, for models that fill them together.
    ///
    /// ```
    /// # use secant::plugin::{Fault, Outputs};
    /// # fn apply(outputs: &mut Outputs<'_>, n: usize) -> Result<(), Fault> {
    /// let [points, lengths] = outputs.slices_mut::<f64, 2>([("points", &[n, 3]), ("lengths", &[n])])?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Panics
    /// If an output is named twice, or some by path and some by index.
    pub fn slices_mut<'k, T: Element, const N: usize>(
        &mut self,
        wanted: [(impl Into<Key<'k>>, &[usize]); N],
    ) -> Result<[&mut [T]; N], Fault> {
        let wanted = wanted.map(|(key, shape)| (key.into(), shape));
        expect_distinct(&wanted.map(|(key, _)| key));
        let mut buffers: [&mut [T]; N] = std::array::from_fn(|_| &mut [][..]);
        for (buffer, (key, shape)) in buffers.iter_mut().zip(wanted) {
            // SAFETY: no call of `abstract_eval`, as `new` was promised. No two keys name the same output, so that no
            // buffer is asked for again while `self` is borrowed; and no two outputs share one.
            *buffer = unsafe { self.call.elements(&Target::Output(key), shape) }?;
        }
        Ok(buffers)
    }

    /// Writes a scalar output.
    pub fn scalar<'k, T: Element>(&mut self, key: impl Into<Key<'k>>, value: T) -> Result<(), Fault> {
        self.slice_mut(key, &[])?.fill(value);
        Ok(())
    }

    /// Writes an output of booleans.
    ///
    /// # Panics
    /// If there are not as many values as the shape has elements.
    pub fn bools<'k>(&mut self, key: impl Into<Key<'k>>, shape: &[usize], values: &[bool]) -> Result<(), Fault> {
        // SAFETY: no call of `abstract_eval`, as `new` was promised; and `self` is borrowed for longer than the buffer.
        let bytes = unsafe { self.call.bytes(&Target::Output(key.into()), DType::Bool, shape) }?;
        bytes.copy_from_slice(bytemuck::cast_slice(values));
        Ok(())
    }

    /// Hands over an output that is not an array.
    pub fn value(&mut self, path: &str, value: &(impl Serialize + ?Sized)) -> Result<(), Fault> {
        self.call.output_json(path, serde_json::to_string(value)?)
    }
}

/// # Panics
/// If two of the keys may name the same output.
fn expect_distinct(keys: &[Key<'_>]) {
    for (i, one) in keys.iter().enumerate() {
        for other in &keys[i + 1..] {
            let distinct = match (one, other) {
                (Key::Index(one), Key::Index(other)) => one != other,
                // The same path can be spelt in several ways: `[1]` and `[01]`. No path at all is refused by the host.
                (Key::Path(one), Key::Path(other)) => {
                    one != other && (plain(one) && plain(other) || one.parse::<Path>() != other.parse::<Path>())
                }
                _ => false,
            };
            assert!(distinct, "outputs {one} and {other} may be the same, and are asked for at once");
        }
    }
}

/// Whether it is spelt in the only way there is.
fn plain(path: &str) -> bool {
    !path.contains(['[', '{'])
}

/// The shapes of the outputs, to be declared by `abstract_eval`.
pub struct Shapes<'c> {
    call: Call<'c>,
}

impl<'c> Shapes<'c> {
    pub(super) fn new(call: Call<'c>) -> Shapes<'c> {
        Shapes { call }
    }

    /// Declares an array output.
    pub fn declare<'k>(&mut self, key: impl Into<Key<'k>>, dtype: DType, shape: &[usize]) -> Result<(), Fault> {
        // The pointer is not to be written to; that there is one means that all is well.
        let pointer = self.call.ask(&Target::Output(key.into()), dtype, shape)?;
        if pointer.is_null() { Err(Fault::known_to_the_host()) } else { Ok(()) }
    }
}
