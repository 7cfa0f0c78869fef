//! The `[gradient]` table: how derivatives are taken where a request does not say.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

/// The `[gradient]` table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gradient {
    /// How derivatives are approximated.
    pub algorithm: Option<AlgorithmName>,
    /// The step, for all coordinates or path by path.
    pub eps: Option<Eps>,
    /// Number of random directions.
    pub samples: Option<usize>,
    /// Seed of the random directions.
    pub seed: Option<u64>,
    /// The input path whose value names the algorithm.
    pub algorithm_from: Option<String>,
    /// What becomes of points that fail.
    pub on_failure: Option<OnFailure>,
    /// Which outputs depend on which inputs.
    pub sparsity: Option<Structure>,
    /// Whether that is verified at each use, by one to three evaluations; it is if this is left out.
    pub verify_sparsity: Option<bool>,
}

/// Which outputs depend on which inputs: elements in the order of the schemas, of all that is differentiable.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Structure {
    /// To be found from the numbers.
    Detect,
    /// Output i depends on input i alone.
    Diagonal,
    /// Output i depends on the inputs from i minus the first number to i plus the second.
    Banded([usize; 2]),
    /// As a Matrix Market file says, relative to the manifest's folder.
    File(PathBuf),
    /// Pairs of an output and an input, as paths or patterns: the first depends on the second.
    Blocks(Vec<[String; 2]>),
}

/// What becomes of points whose evaluation fails while a derivative is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum OnFailure {
    /// Other steps are tried; what was stepped around is reported.
    Recover,
    /// The request fails.
    Error,
}

/// The algorithms by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum AlgorithmName {
    Auto,
    AutoForward,
    Central,
    Forward,
    Backward,
    Central4,
    Richardson,
    Complex,
    Stochastic,
    Orthogonal,
}

impl AlgorithmName {
    /// All of them.
    pub const ALL: [AlgorithmName; 10] = [
        AlgorithmName::Auto,
        AlgorithmName::AutoForward,
        AlgorithmName::Central,
        AlgorithmName::Forward,
        AlgorithmName::Backward,
        AlgorithmName::Central4,
        AlgorithmName::Richardson,
        AlgorithmName::Complex,
        AlgorithmName::Stochastic,
        AlgorithmName::Orthogonal,
    ];

    /// Its name in manifests and requests.
    pub fn name(self) -> &'static str {
        match self {
            AlgorithmName::Auto => "auto",
            AlgorithmName::AutoForward => "auto-forward",
            AlgorithmName::Central => "central",
            AlgorithmName::Forward => "forward",
            AlgorithmName::Backward => "backward",
            AlgorithmName::Central4 => "central4",
            AlgorithmName::Richardson => "richardson",
            AlgorithmName::Complex => "complex",
            AlgorithmName::Stochastic => "stochastic",
            AlgorithmName::Orthogonal => "orthogonal",
        }
    }
}

impl std::str::FromStr for AlgorithmName {
    type Err = String;

    fn from_str(name: &str) -> Result<AlgorithmName, String> {
        AlgorithmName::ALL.into_iter().find(|algorithm| algorithm.name() == name).ok_or_else(|| {
            let known = AlgorithmName::ALL.map(AlgorithmName::name);
            format!("unknown algorithm '{name}': expected one of {}", known.join(", "))
        })
    }
}

impl fmt::Display for AlgorithmName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Steps chosen by hand.
#[derive(Clone, Debug, PartialEq)]
pub enum Eps {
    /// The same for every coordinate.
    All(f64),
    /// Path (or pattern) by path; others get the automatic step.
    PerPath(Vec<(String, f64)>),
}

impl<'de> Deserialize<'de> for Eps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Eps, D::Error> {
        // By hand, since an untagged enum would only say that nothing matched.
        struct EpsVisitor;
        fn positive<E: de::Error>(eps: f64) -> Result<f64, E> {
            if eps > 0.0 && eps.is_finite() {
                Ok(eps)
            } else {
                Err(E::custom(format_args!("eps is {eps}, expected a positive number")))
            }
        }
        impl<'de> Visitor<'de> for EpsVisitor {
            type Value = Eps;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a positive number, or a table of path = positive number")
            }

            fn visit_f64<E: de::Error>(self, eps: f64) -> Result<Eps, E> {
                positive(eps).map(Eps::All)
            }

            fn visit_i64<E: de::Error>(self, eps: i64) -> Result<Eps, E> {
                self.visit_f64(eps as f64)
            }

            fn visit_u64<E: de::Error>(self, eps: u64) -> Result<Eps, E> {
                self.visit_f64(eps as f64)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Eps, A::Error> {
                let mut table = Vec::new();
                while let Some((path, eps)) = map.next_entry::<String, f64>()? {
                    table.push((path, positive(eps)?));
                }
                Ok(Eps::PerPath(table))
            }
        }
        deserializer.deserialize_any(EpsVisitor)
    }
}
