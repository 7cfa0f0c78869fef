//! Foreign things made into models: [`open`] is the only place that knows all the kinds.

mod build;
mod child;
#[cfg(feature = "command")]
mod command;
mod derivative;
mod function;
mod library;
mod oneshot;
mod open;
#[cfg(feature = "remote")]
mod remote;
pub mod stdio;
mod wire;

#[cfg(feature = "cli")]
pub use child::kill_all;
#[cfg(feature = "cli")]
pub(crate) use command::{Proposal, infer, observations, rehearse};
pub use function::Function;
#[cfg(feature = "cli")]
pub(crate) use library::announce_crashes;
pub use library::guest as plugin;
#[cfg(feature = "cli")]
pub(crate) use oneshot::answer;
#[cfg(feature = "cli")]
pub(crate) use open::described;
#[cfg(feature = "cli")]
pub use open::peek;
pub use open::{OpenError, OpenOptions, open};
