//! Who evaluates: a pool of instances, and the one place where points are shared out among threads.
//!
//! No JSON, no schema questions, no numerics: a [`diff::Sweep`](crate::diff::Sweep) says what to
//! evaluate and keeps the results.

mod pool;
mod progress;
mod run;
mod visit;

pub use pool::Pool;
pub use progress::Progress;
pub use run::{Cause, Failure, Workers, sweep};
pub use visit::{Outcome, visit};
