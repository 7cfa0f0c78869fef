//! What a derivative cost and how it was taken.

use std::time::Duration;

use crate::tree::Path;

/// What a derivative cost and how it was taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The algorithm, or that the model's own derivative was used ("native", "native, from jvp").
    pub algorithm: String,
    /// Evaluations of the model.
    pub evaluations: usize,
    /// From the question to the answer.
    pub elapsed: Duration,
    /// Instances that evaluated.
    pub workers: usize,
    /// The steps taken, input by input; empty for native derivatives.
    pub steps: Vec<Steps>,
    /// Random directions, if there were any.
    pub samples: Option<usize>,
    /// Their seed: giving it again gives the same numbers.
    pub seed: Option<u64>,
}

/// The steps taken in one input.
#[derive(Clone, Debug, PartialEq)]
pub struct Steps {
    /// The input.
    pub path: Path,
    /// The smallest step of its elements.
    pub least: f64,
    /// The largest.
    pub most: f64,
}
