//! What a derivative cost and how it was taken.

use std::time::Duration;

use super::jacobian::Values;
use super::{Jacobian, Vectors};
use crate::tree::{Layout, Path};

/// What a derivative cost and how it was taken.
#[derive(Clone, Debug, Default)]
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
    /// The noise of the outputs; that of their product with the cotangent, for a VJP. Where it was measured.
    pub noise: Vec<Noise>,
    /// Points that failed and were done without.
    pub stumbles: Vec<Stumble>,
    /// Bounds of the errors, where they were asked for and had.
    pub bounds: Option<Bounds>,
    /// What they amount to together, asked for or not: the root of the sum of their squares, over real coordinates.
    pub total_bound: Option<f64>,
    /// What whoever uses the numbers must know.
    pub warnings: Vec<String>,
}

/// Bounds of the errors of a derivative, truncation and noise together, each in the place of the number it is
/// for. Of a random estimate they are standard errors. Where none could be had they are infinite. The bounds of
/// complex numbers are those of their real and imaginary parts.
#[derive(Clone, Debug)]
pub enum Bounds {
    /// Of a Jacobian.
    Jacobian(Box<Jacobian>),
    /// Of a product, as float64 or complex128.
    Vectors(Vectors),
}

impl Bounds {
    /// Those of a matrix.
    pub(super) fn matrix(of: &Layout, wrt: &Layout, bounds: Values) -> Bounds {
        Bounds::Jacobian(Box::new(Jacobian::new(of.clone(), wrt.clone(), bounds, Report::default())))
    }

    /// The largest of every block: by its output and input, or by the path of the vector.
    pub fn largest(&self) -> Vec<(String, f64)> {
        let most = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
        match self {
            Bounds::Jacobian(bounds) => bounds.largest(),
            Bounds::Vectors(vectors) => {
                vectors.iter().map(|(path, array)| (path.to_string(), most(&mut array.to_vec().into_iter()))).collect()
            }
        }
    }
}

/// Noise of an output: how much its values scatter around a smooth function, as a standard deviation.
#[derive(Clone, Debug, PartialEq)]
pub struct Noise {
    /// The output, the root for a product.
    pub path: Path,
    /// The noise of its least noisy element.
    pub least: f64,
    /// Of its noisiest.
    pub most: f64,
    /// The significant digits it is printed with, the fewest of any element, where it is read from a text.
    pub digits: Option<u32>,
}

/// Evaluations that failed, and were done without.
#[derive(Clone, Debug, PartialEq)]
pub struct Stumble {
    /// Where: an element of an input, or what else was displaced.
    pub place: String,
    /// The lengths of the steps that failed.
    pub steps: Vec<f64>,
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
