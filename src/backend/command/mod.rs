//! A program that knows nothing of secant: the texts it is given.

#[allow(dead_code)]
mod write;
