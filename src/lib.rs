//! secant
#![allow(missing_docs)]
pub mod codec;
pub mod diff;
pub mod tree;
