//! **secant** turns any program you can run, and any shared library you can load, into a differentiable
//! model: `apply`, `jacobian`, `jvp`, `vjp` and `abstract_eval`, by finite differences, driven by a JSON
//! Schema that says which paths are differentiable.
//!
//! ```no_run
//! use secant::{AlgorithmName, Model, json};
//!
//! let model = Model::open("plugins/rosenbrock")?;
//! let jacobian = model
//!     .jacobian(&json!({"x": 1.2, "y": 1.0}))
//!     .wrt(["x"])
//!     .algorithm(AlgorithmName::Forward)
//!     .run()?;
//! for (of, wrt, block) in jacobian.blocks() {
//!     println!("d {of} / d {wrt} = {block:?}");
//! }
//! # Ok::<(), secant::Error>(())
//! ```
//!
//! [`Model`] is where to start. [`plugin`] is for those who write models in Rust, [`snapshot`] for those who
//! test gradients. The rooms below it, and the laws they keep, are described in `docs/architecture.md`.
//! With `default-features = false` there is no command line, only this library.

// What only one feature uses is not worth a feature gate at every item.
#![cfg_attr(not(all(feature = "cli", feature = "remote")), allow(dead_code, unused_imports))]

mod api;
mod backend;
#[cfg(feature = "cli")]
#[doc(hidden)] // for src/main.rs
pub mod cli;
mod codec;
mod diff;
mod endpoint;
mod exec;
mod manifest;
mod model;
mod schema;
#[cfg(feature = "cli")]
mod server;
mod snapshot;
mod tree;

pub use api::{Error, Inputs, Model, Query};
pub use backend::{OpenError, OpenOptions, plugin};
pub use endpoint::{Block, Bounds, Error as QuestionError, Jacobian, Noise, Place, Report, Steps, Stumble, Vectors};
pub use exec::Progress;
pub use manifest::{AlgorithmName, Eps, Gradient, Isolation, OnFailure, Run, Structure};
pub use model::{Description, ModelError, ModelErrorKind};
pub use schema::{Signature, Violation, Violations};
pub use serde_json::{Value, json};
pub use snapshot::snapshot;
pub use tree::{Abstract, Array, DType, Element, Layout, Path, Pattern, Tree};

/// Where this user keeps what can be made again.
pub(crate) fn cache_folder() -> Option<std::path::PathBuf> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(std::path::PathBuf::from);
    let caches = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")));
    Some(caches?.join("secant"))
}
