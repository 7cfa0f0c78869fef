//! How a derivative is to be taken: as asked, else as the manifest says, else by default.

use std::collections::HashMap;

use super::Error;
use super::axes::is_one_of;
use super::request::listed;
use crate::manifest::{AlgorithmName, Eps, Gradient, OnFailure, Structure};
use crate::schema::{Side, Signature};
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
    /// The most numbers that a matrix may have where it is laid out; as many as memory holds if this is `None`.
    pub most: Option<usize>,
}

impl Settings {
    /// Says no to a matrix that would take all memory with it.
    pub(super) fn expect_room(&self, rows: usize, columns: usize) -> Result<(), Error> {
        let allowed = |numbers: &usize| self.most.is_none_or(|most| *numbers <= most);
        // Memory that is not touched costs nothing.
        let there = |numbers: &usize| Vec::<f64>::new().try_reserve_exact(*numbers).is_ok();
        if rows.checked_mul(columns).filter(allowed).filter(there).is_some() {
            return Ok(());
        }
        let limit = match self.most {
            Some(most) => format!("this server lays out ({most}, by its --body-limit)"),
            None => "memory holds".to_owned(),
        };
        let message = format!(
            "Value error, a matrix of {rows} by {columns} has more numbers than {limit}: ask for fewer inputs or outputs, \
             for products with vectors, or by a sparsity pattern and in the format npz"
        );
        Err(Error::caller(Path::root(), "value_error", message))
    }
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

/// Whether all paths of the manifest's `[gradient]` are some of the model; else all that are not, a line each.
pub fn check_paths(gradient: &Gradient, signature: &Signature) -> Result<(), String> {
    let [inputs, outputs] = [Side::Input, Side::Output]
        .map(|side| signature.differentiable(side).into_iter().map(|(pattern, _)| pattern).collect::<Vec<_>>());
    let mut faults = Vec::new();
    let mut check = |key: &str, text: &str, what: &str, known: &[Pattern]| {
        if !is_one_of(text, known) {
            faults.push(format!("gradient.{key}: '{text}' is no differentiable {what}, which are {}", listed(known)));
        }
    };
    if let Some(Eps::PerPath(table)) = &gradient.eps {
        table.iter().for_each(|(path, _)| check("eps", path, "input", &inputs));
    }
    if let Some(Structure::Blocks(pairs)) = &gradient.sparsity {
        for [output, input] in pairs {
            check("sparsity.blocks", output, "output", &outputs);
            check("sparsity.blocks", input, "input", &inputs);
        }
    }
    if let Some(name) = &gradient.algorithm_from
        && !name.parse().is_ok_and(|path| signature.takes_text(&path))
    {
        faults.push(format!("gradient.algorithm_from: there is no input '{name}' that is a text"));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

/// Steps by hand, to be found by leaf.
#[derive(Default)]
pub(super) struct ByHand {
    all: Option<f64>,
    exact: HashMap<Path, f64>,
    open: Vec<(Pattern, f64)>,
}

impl ByHand {
    pub(super) fn new(eps: Option<&Eps>) -> ByHand {
        let mut by_hand = ByHand::default();
        match eps {
            None => {}
            Some(Eps::All(eps)) => by_hand.all = Some(*eps),
            Some(Eps::PerPath(table)) => {
                let patterns = table.iter().filter_map(|(key, eps)| Some((key.parse::<Pattern>().ok()?, *eps)));
                for (pattern, eps) in patterns {
                    match pattern.as_path() {
                        Some(path) => _ = by_hand.exact.entry(path).or_insert(eps),
                        None => by_hand.open.push((pattern, eps)),
                    }
                }
            }
        }
        by_hand
    }

    /// The step for a leaf, if there is one. An exact path wins over a pattern.
    pub(super) fn step(&self, path: &Path) -> Option<f64> {
        let by_pattern = || self.open.iter().find(|(pattern, _)| pattern.matches(path)).map(|(_, eps)| *eps);
        self.all.or_else(|| self.exact.get(path).copied()).or_else(by_pattern)
    }
}
