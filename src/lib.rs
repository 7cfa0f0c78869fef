//! secant
#![allow(missing_docs)]
pub mod backend;
pub mod codec;
pub mod diff;
pub mod endpoint;
pub mod exec;
pub mod manifest;
pub mod model;
pub mod schema;
pub mod tree;
