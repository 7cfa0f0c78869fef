//! secant
#![allow(missing_docs)]
pub mod diff;
pub mod tree;
