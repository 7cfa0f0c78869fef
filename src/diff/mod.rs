//! Finite differences of f: Rⁿ → Rᵐ, asked for and not looped for.
//!
//! A [`Plan`] is made from the [`Axes`], all coordinates; its scout, one point, is evaluated first
//! and tells m. The [`Sweep`] that starts from there *asks* for rounds of displaced points, each
//! split into [`Share`]s that carry the memory for their own results, and is *told* their
//! outcomes in place. Shares touch disjoint memory, so any number of threads may work on them in any
//! order and the result is the same, bit for bit.
//!
//! Not here: models, trees, threads. This room imports only `std` and `rand`.

mod axes;
mod axis;
mod climb;
mod compare;
mod curvature;
mod decimal;
mod direction;
mod fold;
mod groups;
mod ladder;
mod line;
mod noise;
mod noise_line;
mod orthogonal;
mod plan;
mod resolution;
mod round;
mod samples;
mod share;
mod sparsity;
mod stencil;
mod sweep;
mod tableau;
mod taylor;

pub use axes::Axes;
#[cfg(test)]
use axis::round_to;
pub use axis::{Axis, Kind, Step};
pub use curvature::{Curvature, Curved};
pub use decimal::Decimal;
pub use fold::{is_less, norm, not_finite};
pub use ladder::{Missing, Rung, amplification, goes_ahead, ladder, truncation};
pub use plan::{Algorithm, Defect, Place, Plan, Problem, default_samples};
pub use share::{NonFinite, Share};
pub use sparsity::{Colouring, Sparsity};
pub use sweep::{Derivative, Impasse, Sweep};
pub use taylor::{Expected, LEAST_SLOPE, Ray, Remainder, slope};

/// A point near the base: the coordinates that differ, ascending, and their values.
pub type Displacement = Vec<(usize, f64)>;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod yardstick;
