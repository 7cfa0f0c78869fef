//! The ask/tell machine: asks for rounds of points, is told their outcomes where they belong.

use std::ops::Range;

use super::Displacement;
use super::fold;
use super::plan::{Directions, Plan};
use super::stencil::Rule;

/// A derivative being computed.
pub struct Sweep {
    shared: Shared,
    /// `height` numbers a probe.
    results: Vec<f64>,
    asked: bool,
}

/// What all shares read.
struct Shared {
    plan: Plan,
    /// Number of outputs.
    m: usize,
    /// The scout's outcome: f at the base, or at the first probe's first point.
    scout: Vec<f64>,
    cotangent: Option<Vec<f64>>,
}

impl Shared {
    fn height(&self) -> usize {
        if self.cotangent.is_some() { 1 } else { self.m }
    }
}

/// Some of a round's points, with the memory for their results.
pub struct Share<'a> {
    shared: &'a Shared,
    points: Range<usize>,
    /// The first probe whose results lie in `results`.
    first: usize,
    results: Results<'a>,
}

/// Memory for results. Where there is one share it grows column by column, so that a large matrix is not
/// first filled with zeros and then, when they have left the cache, with values.
enum Results<'a> {
    Growing(&'a mut Vec<f64>),
    Fixed(&'a mut [f64]),
}

impl Results<'_> {
    #[inline]
    fn column(&mut self, at: usize, height: usize) -> &mut [f64] {
        let end = (at + 1) * height;
        match self {
            Results::Fixed(results) => &mut results[at * height..end],
            Results::Growing(results) => {
                if results.len() < end {
                    results.resize(end, 0.0);
                }
                &mut results[at * height..end]
            }
        }
    }
}

/// An outcome holds NaN or an infinity, or its difference overflows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonFinite {
    /// The output coordinate.
    pub row: usize,
}

impl Sweep {
    pub(super) fn new(plan: Plan, outcome: &[f64], cotangent: Option<&[f64]>) -> Sweep {
        assert_eq!(plan.vjp, cotangent.is_some(), "a VJP, and only that, has a cotangent");
        assert!(cotangent.is_none_or(|w| w.len() == outcome.len()));
        let shared =
            Shared { m: outcome.len(), scout: outcome.to_vec(), cotangent: cotangent.map(<[f64]>::to_vec), plan };
        Sweep { shared, results: Vec::new(), asked: false }
    }

    /// The plan it carries out.
    pub fn plan(&self) -> &Plan {
        &self.shared.plan
    }

    /// The next round of points, in about `shares` shares; `None` when the derivative is known.
    ///
    /// Every point of every share must be told before the next call.
    pub fn ask(&mut self, shares: usize) -> Option<Vec<Share<'_>>> {
        if std::mem::replace(&mut self.asked, true) {
            return None;
        }
        let probes = self.shared.plan.rules.len();
        let origin = usize::from(self.shared.plan.uses_base);
        let per_share = probes.div_ceil(shares.max(1)).max(1);
        let height = self.shared.height();
        let shared = &self.shared;
        if probes <= per_share {
            self.results.reserve_exact(probes * height);
            let points = origin.max(1)..shared.plan.starts[probes] + origin;
            return Some(vec![Share { shared, points, first: 0, results: Results::Growing(&mut self.results) }]);
        }
        self.results.resize(probes * height, 0.0);
        let mut rest = &mut self.results[..];
        let mut round = Vec::with_capacity(probes.div_ceil(per_share));
        for first in (0..probes).step_by(per_share) {
            let end = probes.min(first + per_share);
            let (results, tail) = rest.split_at_mut((end - first) * height);
            rest = tail;
            // The scout was point 0, be it the base or not.
            let start = (shared.plan.starts[first] + origin).max(1);
            round.push(Share {
                shared,
                points: start..shared.plan.starts[end] + origin,
                first,
                results: Results::Fixed(results),
            });
        }
        Some(round)
    }

    /// The derivative: m × n by columns for a Jacobian, m numbers for a JVP, n for a VJP.
    pub fn finish(self) -> Vec<f64> {
        let Sweep { shared, results, .. } = self;
        let (m, n) = (shared.m, shared.plan.axes.len());
        match &shared.plan.directions {
            Directions::Axes(_) => results,
            Directions::Along(_) => {
                let mut sum = vec![0.0; m];
                for part in results.chunks_exact(m.max(1)) {
                    sum.iter_mut().zip(part).for_each(|(s, p)| *s += p);
                }
                sum
            }
            Directions::Random(signs) => {
                // The mean over samples of Δy / Δx_j, samples in their order.
                let height = shared.height();
                let samples = signs.samples();
                let mut derivative = vec![0.0; height * n];
                for block in 0..signs.blocks() {
                    for sample in 0..samples {
                        let delta = &results[sample * height..(sample + 1) * height];
                        signs.block(sample, block, |coordinate, negative| {
                            let [plus, minus] = signs.ends(coordinate);
                            let gap = if negative { minus - plus } else { plus - minus };
                            let scale = 1.0 / (gap * samples as f64);
                            let column = &mut derivative[coordinate * height..(coordinate + 1) * height];
                            column.iter_mut().zip(delta).for_each(|(c, d)| *c += d * scale);
                        });
                    }
                }
                derivative
            }
        }
    }
}

impl Share<'_> {
    /// The number of points to evaluate.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether there is nothing to evaluate.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// The number of the k-th point among all of the plan, for [`Plan::place`].
    pub fn point(&self, k: usize) -> usize {
        self.points.start + k
    }

    /// The k-th point.
    pub fn displace(&self, k: usize, out: &mut Displacement) {
        self.shared.plan.displace(self.point(k), out);
    }

    /// Takes the outcome of the k-th point. Points are told in order; `scratch` is the caller's, the same
    /// for all points of the share, its contents of no concern to it.
    pub fn tell(&mut self, k: usize, outcome: &[f64], scratch: &mut Vec<f64>) -> Result<(), NonFinite> {
        let shared = self.shared;
        let Some((probe, which)) = shared.plan.locate(self.point(k)) else { unreachable!("the base is the scout's") };
        let rule = shared.plan.rules[probe];
        let m = shared.m;
        assert_eq!(outcome.len(), m);
        let at = probe - self.first;
        let column = match &shared.cotangent {
            None => self.results.column(at, m),
            Some(_) => {
                scratch.resize(m, 0.0);
                &mut scratch[..]
            }
        };
        let finite = match (rule, which) {
            (Rule::Pair { per_step }, _) => fold::difference(column, outcome, &shared.scout, per_step),
            (Rule::Central { .. }, 0) => fold::keep(column, outcome),
            (Rule::Central { per_step }, _) => {
                if probe == 0 && !shared.plan.uses_base {
                    column.copy_from_slice(&shared.scout);
                }
                fold::subtract(column, outcome, per_step)
            }
            (Rule::OneSided { near, .. }, 0) => fold::difference(column, outcome, &shared.scout, near),
            (Rule::OneSided { far, .. }, _) => fold::add_difference(column, outcome, &shared.scout, far),
        };
        if !finite {
            let row = outcome.iter().position(|v| !v.is_finite());
            let row = row.or_else(|| column.iter().position(|v| !v.is_finite()));
            return Err(NonFinite { row: row.unwrap_or(0) });
        }
        if let Some(cotangent) = &shared.cotangent
            && which + 1 == rule.points()
        {
            let product = fold::dot(cotangent, column);
            if !product.is_finite() {
                let size = |row: &usize| (column[*row] * cotangent[*row]).abs();
                let row = (0..m).max_by(|a, b| size(a).total_cmp(&size(b))).unwrap_or(0);
                return Err(NonFinite { row });
            }
            self.results.column(at, 1)[0] = product;
        }
        Ok(())
    }
}
