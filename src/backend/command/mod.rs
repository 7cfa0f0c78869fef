//! Programs that know nothing of JSON: files are written for them, and numbers read from what they leave.

mod adapter;
mod folder;
mod gradients;
mod instance;
mod read;
#[cfg(feature = "cli")]
mod rehearsal;
mod run;
mod write;

pub(super) use adapter::Adapter;
pub(super) use folder::remove_all;
pub(super) use instance::Legacy;
#[cfg(feature = "cli")]
pub(crate) use read::{Proposal, infer, observations};
#[cfg(feature = "cli")]
pub(crate) use rehearsal::rehearse;
