//! The questions people ask of a model: apply, jacobian, jvp, vjp, hessian, abstract_eval. Each is a few lines over
//! a proven [`Request`]: base, ask, sweep, tell.
//!
//! No threads (`exec`), no formulas (`diff`), no wire formats beyond reading a request's JSON.

mod abstract_eval;
mod answer;
mod axes;
mod body;
#[cfg(feature = "cli")]
mod case;
mod check;
mod complex;
mod derive;
mod differences;
#[cfg(feature = "cli")]
mod element;
mod error;
mod faults;
mod hessian;
mod jacobian;
mod native;
#[cfg(feature = "cli")]
pub(crate) mod npz;
mod question;
mod report;
mod request;
mod settings;
pub(crate) mod sparse;
#[cfg(feature = "cli")]
mod study;
mod vectors;

pub use abstract_eval::{ShapeCache, abstract_eval};
pub(crate) use answer::{Answer, Endpoint, Piece, answer};
pub(crate) use body::Body;
#[cfg(feature = "cli")]
pub(crate) use case::{Case, Difference};
pub(crate) use check::{Checked, Checks, check};
pub use derive::{jacobian, jvp, vjp};
pub use error::{Error, Place};
pub(crate) use hessian::hessian_vector_product;
pub use hessian::{hessian, hvp};
pub use jacobian::{Block, Jacobian};
pub use question::{Lists, Question};
pub use report::{Bounds, Noise, Report, Steps, Stumble};
pub use request::Request;
pub use settings::{Defaults, Settings, check_paths};
#[cfg(feature = "cli")]
pub(crate) use study::{Asked, Curve, Studies, Study, study};
pub use vectors::Vectors;

use crate::exec::{Pool, Progress};
use crate::tree::Tree;

/// What every question needs: who answers, under which defaults, and who watches.
pub struct Context<'c> {
    /// The model and its instances.
    pub pool: &'c Pool,
    /// What its manifest says about derivatives.
    pub defaults: &'c Defaults,
    /// How far it has come.
    pub progress: &'c Progress,
    /// Output shapes that were found before.
    pub shapes: &'c ShapeCache,
}

/// One evaluation.
pub fn apply(context: &Context<'_>, inputs: &Tree) -> Result<Tree, Error> {
    context.progress.plan(1);
    let mut instance = context.pool.lend(context.progress).map_err(|error| Error::opening(context.pool, error))?;
    let outputs = instance.apply(inputs);
    let outputs = instance.settle(outputs).map_err(|error| Error::at(context.pool, Place::Base, error))?;
    context.progress.advance(1);
    Ok(outputs)
}
