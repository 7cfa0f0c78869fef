//! What is known in the end.

use super::{Shared, Sweep};
use crate::diff::climb::{Method, Probe};
use crate::diff::groups::Walk;
use crate::diff::line::Lines;
use crate::diff::plan::Plan;
use crate::diff::{Place, fold};

/// What is known in the end.
#[derive(Clone, Debug)]
pub struct Derivative {
    /// m × n by columns for a Jacobian, m numbers for a JVP, n for a VJP, m × the number of groups by columns for
    /// groups.
    pub values: Vec<f64>,
    /// What each coordinate's derivative is multiplied by in the column of its group: where moves were given, what was
    /// taken of them. Empty if there are no groups.
    pub units: Vec<f64>,
    /// A bound of the error of every value; infinite where none could be had. Of a random estimate it is the
    /// standard error. Absent where none were asked for, unless they are of a JVP or of groups and nothing more to
    /// compute.
    pub bounds: Option<Vec<f64>>,
    /// The root of the sum of the squares of all bounds, asked for or not. Absent where there are none.
    pub total_bound: Option<f64>,
    /// The step of every coordinate; empty where moves were given.
    pub steps: Vec<f64>,
    /// The noise of every output, as a standard deviation; of a VJP that of the product. Absent where it was not
    /// measured.
    pub noise: Option<Vec<f64>>,
    /// Evaluations told, the scout's included.
    pub evaluations: usize,
    /// Points that failed and were done without.
    pub stumbles: Vec<Stumble>,
}

/// A line on which evaluations failed, and the steps at which they did.
#[derive(Clone, Debug, PartialEq)]
pub struct Stumble {
    /// The last of its points, or [`Place::Noise`].
    pub place: Place,
    /// The lengths of the steps.
    pub steps: Vec<f64>,
}

impl Sweep<'_> {
    /// The derivative.
    pub fn finish(self) -> Derivative {
        let Sweep { shared, probes, mut values, mut bounds, total, evaluations, .. } = self;
        let height = shared.height();
        let Shared { mut plan, m, noise, .. } = shared;
        let bounded = plan.method != Method::Fixed { bounded: false };
        if m == 0 {
            // Nothing was evaluated, and products with nothing are exactly 0.
            values.resize(probes.len() * height, 0.0);
            bounds.resize(probes.len() * height, 0.0);
        } else if bounded && plan.keeps_bounds {
            bounds.resize(probes.len() * height, f64::INFINITY);
            for (bounds, probe) in bounds.chunks_exact_mut(height.max(1)).zip(&probes) {
                if !probe.is_bounded() {
                    bounds.fill(f64::INFINITY);
                }
            }
        }
        let stumbles = probes
            .iter()
            .enumerate()
            .filter(|(_, probe)| !probe.stumbles.is_empty())
            .map(|(index, probe)| Stumble {
                place: plan.lines.place(&plan.axes, index, *probe.stumbles.last().unwrap_or(&0.0)),
                steps: probe.stumbles.clone(),
            })
            .collect();
        if let Lines::Groups(groups) = &mut plan.lines
            && groups.are_given
        {
            groups.cut(probes.iter().map(|probe| probe.kept), [&mut values, &mut bounds], height);
        }
        let (steps, units) = steps(&mut plan, &probes);
        let (values, bounds) = match &plan.lines {
            Lines::Axes | Lines::Groups(_) => (values, bounds),
            Lines::Tangent(_) => (sum(values, m), sum(bounds, m)),
            Lines::Random(random) => random.average(&values, height),
        };
        let total_bound = match &plan.lines {
            Lines::Axes | Lines::Groups(_) => bounded.then_some(total),
            Lines::Tangent(_) => bounded.then(|| fold::norm(&bounds)),
            Lines::Random(_) => Some(fold::norm(&bounds)),
        };
        let bounds = total_bound.filter(|_| plan.keeps_bounds).map(|_| bounds);
        let noise = plan.measures_noise().then_some(noise.absolute);
        Derivative { values, bounds, total_bound, units, steps, noise, evaluations, stumbles }
    }
}

/// The step of every coordinate and, where they moved in groups, its unit.
fn steps(plan: &mut Plan, probes: &[Probe]) -> (Vec<f64>, Vec<f64>) {
    let (axes, n) = (&plan.axes, plan.axes.len());
    let steps = match &mut plan.lines {
        Lines::Axes => probes.iter().map(|probe| probe.kept).collect(),
        Lines::Tangent(lines) => {
            let mut steps = vec![0.0; n];
            for (line, probe) in lines.iter().zip(probes) {
                for &(i, v) in &line.moves {
                    steps[i] = f64::max(steps[i], (v * probe.kept).abs());
                }
            }
            steps
        }
        Lines::Groups(groups) => {
            let walk = |probe: &Probe| Walk::new(probe.kept, probe.ends(), probe.is_fixed());
            let steps = if groups.are_given {
                Vec::new()
            } else {
                groups.settle(axes, &probes.iter().map(walk).collect::<Vec<_>>())
            };
            return (steps, std::mem::take(&mut groups.units));
        }
        Lines::Random(random) => (0..n).map(|i| random.extent(i)).collect(),
    };
    (steps, Vec::new())
}

/// The sum of vectors of length m.
fn sum(parts: Vec<f64>, m: usize) -> Vec<f64> {
    if parts.len() == m {
        return parts;
    }
    let mut sum = vec![0.0; m];
    for part in parts.chunks_exact(m.max(1)) {
        sum.iter_mut().zip(part).for_each(|(s, p)| *s += p);
    }
    sum
}
