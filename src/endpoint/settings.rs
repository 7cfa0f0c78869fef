//! How a derivative is to be taken: as asked, else as the manifest says, else by default.

use crate::manifest::{AlgorithmName, Eps, Gradient, OnFailure};
use crate::tree::{Path, Pattern};

/// What a request asks for; what it leaves open is the manifest's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// How derivatives are approximated. Given here, the model's own derivatives are not used.
    pub algorithm: Option<AlgorithmName>,
    /// Steps chosen by hand.
    pub eps: Option<Eps>,
    /// Number of random directions.
    pub samples: Option<usize>,
    /// Seed of the random directions.
    pub seed: Option<u64>,
    /// Instances evaluated at once.
    pub workers: Option<usize>,
    /// What becomes of points that fail.
    pub on_failure: Option<OnFailure>,
    /// Whether a known sparsity pattern is not to be used.
    pub dense: bool,
    /// Whether errors are to be bounded even where that takes further evaluations.
    pub bounds: bool,
}

/// What holds for every request to a model.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// The manifest's `[gradient]`.
    pub gradient: Gradient,
    /// Instances evaluated at once, if that is fixed.
    pub workers: Option<usize>,
    /// What is known of the Jacobian's sparsity.
    pub(crate) sparsity: Option<super::sparse::Rule>,
}

impl Defaults {
    /// The input path that names the algorithm, parsed.
    pub(super) fn algorithm_from(&self) -> Option<Path> {
        self.gradient.algorithm_from.as_deref()?.parse().ok()
    }
}

/// The step by hand for a leaf, if there is one. An exact path wins over a pattern.
pub(super) fn eps_for(eps: Option<&Eps>, path: &Path) -> Option<f64> {
    match eps? {
        Eps::All(eps) => Some(*eps),
        Eps::PerPath(table) => {
            let text = path.to_string();
            let exact = table.iter().find(|(key, _)| *key == text);
            let by_pattern =
                || table.iter().find(|(key, _)| key.parse::<Pattern>().is_ok_and(|pattern| pattern.matches(path)));
            exact.or_else(by_pattern).map(|(_, eps)| *eps)
        }
    }
}
