//! Foreign things made into models: [`open`] is the only place that knows all the kinds.

mod build;
mod child;
mod function;
mod library;
mod open;
pub mod stdio;
mod wire;

pub use child::kill_all;
pub use function::Function;
pub use library::{LoadError, guest as plugin};
pub use open::{OpenError, OpenOptions, Opened, open};
