//! secant
#![allow(missing_docs)]
pub mod tree;
