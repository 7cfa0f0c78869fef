//! What every model is, whatever lies behind it: a [`Model`] that is loaded and described, and the
//! exclusive [`Instance`]s it opens. No backend is named here.

mod base;
mod cancel;
mod error;

pub use base::{Base, Batch};
pub use cancel::Cancel;
pub use error::{ModelError, ModelErrorKind};

use crate::diff::Decimal;
use crate::schema::Signature;
use crate::tree::{Abstract, Array, Layout, Path, Tree};

/// What a model says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Its version, or the empty text.
    pub version: String,
    /// A sentence or two, or the empty text.
    pub description: String,
    /// What kind of thing it is, for people: "library", "executable (lines)", ...
    pub kind: String,
    /// What is called, and where its arguments come from, in lines for people; empty where nobody needs to know.
    pub call: Vec<String>,
}

/// The questions a model answers itself, without differences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Natives {
    pub jacobian: bool,
    pub jvp: bool,
    pub vjp: bool,
    pub abstract_eval: bool,
}

impl Natives {
    /// Whether any derivative is native.
    pub fn derivatives(self) -> bool {
        self.jacobian || self.jvp || self.vjp
    }
}

/// A model: loaded, described, shared between threads.
pub trait Model: Send + Sync {
    /// What it says of itself.
    fn description(&self) -> &Description;

    /// Its inputs and outputs.
    fn signature(&self) -> &Signature;

    /// The most instances it can have at once; `None` for any number.
    fn max_instances(&self) -> Option<usize> {
        None
    }

    /// How these coordinates of these inputs are written, for a model that reads them from a text: one a coordinate.
    /// Empty where they arrive as they are.
    fn texts(&self, _inputs: &Tree, _wrt: &Layout) -> Result<Vec<Decimal>, ModelError> {
        Ok(Vec::new())
    }

    /// Opens one more instance.
    fn open(&self) -> Result<Box<dyn Instance>, ModelError>;
}

/// Something that evaluates, held exclusively.
///
/// After an error whose kind is [fatal](ModelErrorKind::is_fatal) an instance must be dropped.
pub trait Instance: Send {
    /// What it answers itself.
    fn natives(&self) -> Natives {
        Natives::default()
    }

    /// From now on evaluations are for whoever holds `cancel`: once it is set they may end early, with an
    /// error of the kind [`ModelErrorKind::Cancelled`] or any other.
    fn heed(&mut self, _cancel: &Cancel) {}

    /// One whole evaluation. `inputs` have been checked against the signature; the outputs conform to it.
    fn apply(&mut self, inputs: &Tree) -> Result<Tree, ModelError>;

    /// After [`apply`](Instance::apply), for each output that was read from a text: the distance of neighbouring values
    /// that the text of each element can tell apart, 0 where that is not known.
    fn printed(&self) -> Vec<(Path, Vec<f64>)> {
        Vec::new()
    }

    /// Evaluates points displaced from a base, and tells the batch each ravelled outcome in order.
    ///
    /// An instance keeps the base resident from one call to the next, knowing it by [`Base::id`].
    fn sweep(&mut self, base: &Base, batch: &mut dyn Batch) {
        base::sweep_by_apply(self, base, batch);
    }

    /// Native Jacobian: one block a pair (of, wrt), `of` outermost, each of shape (*out, *in).
    fn jacobian(&mut self, _inputs: &Tree, _wrt: &[Path], _of: &[Path]) -> Result<Vec<Array>, ModelError> {
        Err(ModelError::absent("jacobian"))
    }

    /// Native JVP: one array an output of `of`, of its shape.
    fn jvp(&mut self, _inputs: &Tree, _tangents: &[(Path, Array)], _of: &[Path]) -> Result<Vec<Array>, ModelError> {
        Err(ModelError::absent("jacobian_vector_product"))
    }

    /// Native VJP: one array an input of `wrt`, of its shape.
    fn vjp(&mut self, _inputs: &Tree, _cotangents: &[(Path, Array)], _wrt: &[Path]) -> Result<Vec<Array>, ModelError> {
        Err(ModelError::absent("vector_jacobian_product"))
    }

    /// Output shapes from input shapes.
    fn abstract_eval(&mut self, _inputs: &Tree<Abstract>) -> Result<Tree<Abstract>, ModelError> {
        Err(ModelError::absent("abstract_eval"))
    }
}
