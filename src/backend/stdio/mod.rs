//! Programs that speak JSON over their standard input and output, and the other end of it for
//! libraries put behind a worker of ours ([`guest`]).
//!
//! `protocol` knows the messages and no I/O, `host` starts and asks programs, `sweep` many points at once, whose
//! outcomes `chunk` reads, `guest` answers.

mod chunk;
pub mod guest;
mod host;
mod once;
mod outcome;
mod protocol;
mod session;
mod sweep;
mod template;
mod terms;

pub(crate) use host::{Introduced, Program};
pub(crate) use terms::Terms;
