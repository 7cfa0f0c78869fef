//! Everything that is tested from outside: the library's front door, the program, the plugins, the laws.
//!
//! One binary, so that it is linked once. What is needed beside Rust: `cc`, and `python3` for the models
//! written in it, `nec2c` and `xfoil` for the models that run them; where one is not there its tests are skipped,
//! loudly.
#![cfg(feature = "cli")]
#![allow(clippy::nonminimal_bool, clippy::print_stderr, clippy::unwrap_used)]

mod check;
mod cli;
mod conformance;
mod hessian;
mod laws;
mod legacy;
mod misbehave;
mod new;
mod probe;
mod program;
#[cfg(feature = "remote")]
mod remote;
mod rust_api;
mod server;
mod shipped;
mod sparse;
mod study;
#[cfg(feature = "symbol")]
mod symbol;
mod trust;
mod wrapping;
