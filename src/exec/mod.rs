//! Who evaluates: a pool of instances, and the one place where points are shared out among threads.
//!
//! No JSON, no schema questions, no numerics: a [`diff::Sweep`](crate::diff::Sweep) says what to
//! evaluate and keeps the results.

mod points;
mod pool;
mod progress;
mod run;

pub use points::{Outcome, evaluate};
pub use pool::Pool;
pub use progress::Progress;
pub use run::{Cause, Failure, Workers, sweep};
