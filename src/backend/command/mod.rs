//! Programs that know nothing of secant.

#[allow(dead_code)]
mod read;
