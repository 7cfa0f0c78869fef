//! Some of a round's points, with the memory for their results.

use std::ops::Range;

use multiversion::multiversion;

use super::climb::Probe;
use super::compare::{Fresh, Kept, Step, compare};
use super::round::Entry;
use super::stencil::Rule;
use super::sweep::Shared;
use super::tableau::{MOST_LEVELS, extrapolate};
use super::{Displacement, Place, fold};

/// Some of a round's points, with the memory for their results.
pub struct Share<'a> {
    shared: &'a Shared<'a>,
    points: Range<usize>,
    work: Work<'a>,
}

pub(super) enum Work<'a> {
    Sampling(Sampling<'a>),
    Probing(Probing<'a>),
}

/// Points on the noise line: outcomes are kept as they are.
pub(super) struct Sampling<'a> {
    pub(super) outcomes: &'a mut [f64],
    pub(super) arrived: &'a mut [bool],
}

/// Points of stencils: a stretch of the probes, and their numbers.
pub(super) struct Probing<'a> {
    /// The first of the probes.
    pub(super) origin: usize,
    pub(super) probes: &'a mut [Probe],
    pub(super) values: Results<'a>,
    /// The same of bounds and of last differences, where there are any.
    pub(super) bounds: Results<'a>,
    pub(super) last: Results<'a>,
}

/// Memory for results. Where there is one share it grows column by column, so that a large matrix is not
/// first filled with zeros and then, when they have left the cache, with values.
pub(super) enum Results<'a> {
    /// Columns from one of the numbers on; in the end there are so many at most.
    Growing {
        results: &'a mut Vec<f64>,
        from: usize,
        most: usize,
    },
    Fixed(&'a mut [f64]),
}

impl Results<'_> {
    #[inline]
    fn column(&mut self, at: usize, height: usize) -> &mut [f64] {
        let end = (at + 1) * height;
        match self {
            Results::Fixed(results) => &mut results[at * height..end],
            Results::Growing { results, from, most } => {
                if results.len() < *from + end {
                    results.reserve_exact(*most - results.len());
                    results.resize(*from + end, 0.0);
                }
                &mut results[*from + at * height..*from + end]
            }
        }
    }

    /// Makes a column of `f(y[i], base[i])`; whether all of it is finite.
    #[inline(always)]
    fn make(&mut self, at: usize, y: &[f64], base: &[f64], f: impl Fn(f64, f64) -> f64) -> bool {
        match self {
            Results::Growing { results, from, most } if results.len() == *from + at * y.len() => {
                results.reserve_exact(*most - results.len());
                fold::append(results, y, base, f)
            }
            _ => fold::update(self.column(at, y.len()), y, base, |_, y, base| f(y, base)),
        }
    }
}

/// An outcome holds NaN or an infinity, or its difference overflows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonFinite {
    /// The output coordinate.
    pub row: usize,
}

impl<'a> Share<'a> {
    pub(super) fn new(shared: &'a Shared<'a>, points: Range<usize>, work: Work<'a>) -> Share<'a> {
        Share { shared, points, work }
    }

    /// The number of points to evaluate.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether there is nothing to evaluate.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// The number of the k-th point among all of the round.
    pub fn point(&self, k: usize) -> usize {
        self.points.start + k
    }

    /// The k-th point.
    pub fn displace(&self, k: usize, out: &mut Displacement) {
        let Shared { plan, round, line, .. } = self.shared;
        match self.work {
            Work::Sampling(_) => line.displace(&plan.axes, self.point(k), out),
            Work::Probing(_) => round.displace(&plan.axes, &plan.lines, self.point(k), out),
        }
    }

    /// Where the k-th point lies.
    pub fn place(&self, k: usize) -> Place {
        let Shared { plan, round, .. } = self.shared;
        match self.work {
            Work::Sampling(_) => Place::Noise,
            Work::Probing(_) => round.place(&plan.axes, &plan.lines, self.point(k)),
        }
    }

    /// The probe the k-th point belongs to, if it belongs to one.
    pub fn probe(&self, k: usize) -> Option<usize> {
        match self.work {
            Work::Sampling(_) => None,
            Work::Probing(_) => {
                let (entry, _) = self.shared.round.locate(self.point(k));
                Some(self.shared.round.entries[entry].probe)
            }
        }
    }

    /// The k-th point has no outcome, or none that is any good: it is to be done without.
    pub fn fail(&mut self, k: usize) {
        let point = self.point(k);
        if let Work::Probing(probing) = &mut self.work {
            let (entry, which) = self.shared.round.locate(point);
            let entry = &self.shared.round.entries[entry];
            probing.probes[entry.probe - probing.origin].fail(entry.parameter(which) > 0.0);
        }
    }

    /// Takes the outcome of the k-th point. Points are told in order; `scratch` is the caller's, the same
    /// for all points of the share, its contents of no concern to it.
    pub fn tell(&mut self, k: usize, outcome: &[f64], scratch: &mut Vec<f64>) -> Result<(), NonFinite> {
        assert_eq!(outcome.len(), self.shared.m);
        let point = self.point(k);
        match &mut self.work {
            Work::Sampling(sampling) => {
                if let Some(row) = fold::not_finite(outcome) {
                    return Err(NonFinite { row });
                }
                let m = outcome.len();
                sampling.outcomes[k * m..(k + 1) * m].copy_from_slice(outcome);
                sampling.arrived[k] = true;
                Ok(())
            }
            Work::Probing(probing) => probing.tell(self.shared, point, outcome, scratch),
        }
    }
}

impl Probing<'_> {
    fn tell(
        &mut self,
        shared: &Shared<'_>,
        point: usize,
        outcome: &[f64],
        scratch: &mut Vec<f64>,
    ) -> Result<(), NonFinite> {
        let (index, which) = shared.round.locate(point);
        let entry = &shared.round.entries[index];
        let at = entry.probe - self.origin;
        let m = shared.m;
        let probe = &mut self.probes[at];
        if let Rule::Tableau { levels, sides } = entry.rule {
            let two_sided = sides == 2;
            let level = which / sides;
            scratch.resize(levels * m, 0.0);
            let column = &mut scratch[level * m..(level + 1) * m];
            let t = |which| shared.plan.lines.realised(&shared.plan.axes, entry.probe, entry.parameter(which));
            let finite = match (two_sided, which % 2) {
                (true, 0) => fold::update(column, outcome, outcome, |_, y, _| y),
                (true, _) => {
                    let per_step = 1.0 / (t(which - 1) - t(which));
                    fold::update(column, outcome, outcome, |ahead, y, _| (ahead - y) * per_step)
                }
                (false, _) => {
                    let per_step = 1.0 / t(which);
                    fold::update(column, outcome, shared.scout, |_, y, base| (y - base) * per_step)
                }
            };
            check(finite, outcome, column)?;
            if which + 1 == levels * sides && !probe.has_failed() {
                let mut steps = [Step { length: 0.0, amplification: 0.0 }; MOST_LEVELS];
                for (level, step) in steps[..levels].iter_mut().enumerate() {
                    let length = t(sides * level).abs();
                    *step = Step { length, amplification: if two_sided { 1.0 } else { 2.0 } / length };
                }
                let height = shared.height();
                if let Some(cotangent) = &shared.cotangent {
                    for level in 0..levels {
                        scratch[level] = product(cotangent, &scratch[level * m..(level + 1) * m])?;
                    }
                }
                let base = if shared.cotangent.is_some() { &shared.product } else { shared.scout };
                let value = self.values.column(at, height);
                let bound = self.bounds.column(at, height);
                bound.fill(f64::INFINITY);
                extrapolate(
                    &scratch[..levels * height],
                    &steps[..levels],
                    two_sided,
                    base,
                    &shared.noise,
                    value,
                    bound,
                );
                probe.began(0.0, false);
            }
            return Ok(());
        }

        let height = shared.height();
        let step = Step { length: probe.step, amplification: entry.rule.amplification() };
        let (noise, may_leap) = (&shared.noise, probe.may_leap());
        let is_last = which + 1 == entry.rule.points();
        if probe.kept == 0.0 && shared.cotangent.is_none() {
            // The first difference is made where it stays.
            let finite = difference(shared, entry, which, point, outcome, &mut self.values, at);
            let column = self.values.column(at, m);
            check(finite, outcome, column)?;
            if is_last && !probe.has_failed() {
                let fresh = Fresh { difference: column, outcome, base: shared.scout, noise, step };
                probe.began(step.amplification, may_leap && fresh.is_silent());
            }
            return Ok(());
        }
        if which == 0 {
            scratch.clear();
        }
        let mut apart = Results::Growing { results: scratch, from: 0, most: m };
        let finite = difference(shared, entry, which, point, outcome, &mut apart, 0);
        let column = &scratch[..m];
        check(finite, outcome, column)?;
        if !is_last || probe.has_failed() {
            return Ok(());
        }
        let products;
        let (difference, outcome, base): (&[f64], &[f64], &[f64]) = match &shared.cotangent {
            None => (column, outcome, shared.scout),
            Some(cotangent) => {
                products = [product(cotangent, column)?, fold::dot(cotangent, outcome)];
                (&products[..1], &products[1..], &shared.product)
            }
        };
        let fresh = Fresh { difference, outcome, base, noise, step };
        if probe.last == 0.0 {
            let results = if probe.kept == 0.0 { &mut self.values } else { &mut self.last };
            results.column(at, height).copy_from_slice(difference);
            probe.began(step.amplification, may_leap && fresh.is_silent());
            return Ok(());
        }
        let mut kept = Kept {
            value: self.values.column(at, height),
            bound: self.bounds.column(at, height),
            last: if probe.is_bounded() { Some(self.last.column(at, height)) } else { None },
            lower: probe.started_lower(),
        };
        let last = Step { length: probe.last, amplification: probe.last_amplification };
        let verdict = compare(&fresh, last, entry.rule.order(), probe.is_fixed(), &mut kept);
        probe.compared(step.amplification, verdict);
        if probe.goes_on() {
            self.last.column(at, height).copy_from_slice(difference);
        }
        Ok(())
    }
}

/// Folds an outcome into its difference, column `at` of the results; whether all of that is finite.
#[multiversion(targets("x86_64+avx2"))]
fn difference(
    shared: &Shared<'_>,
    entry: &Entry,
    which: usize,
    point: usize,
    y: &[f64],
    results: &mut Results<'_>,
    at: usize,
) -> bool {
    let base = shared.scout;
    match (entry.rule, which) {
        (Rule::Pair { per_step }, _) => results.make(at, y, base, |y, base| (y - base) * per_step),
        (Rule::Central { .. }, 0) => results.make(at, y, base, |y, _| y),
        // The scout was the point ahead.
        (Rule::Central { per_step }, _) if point == 1 && shared.scouted => {
            results.make(at, y, base, |y, ahead| (ahead - y) * per_step)
        }
        (Rule::Central { per_step }, _) => {
            fold::update(results.column(at, y.len()), y, base, |ahead, y, _| (ahead - y) * per_step)
        }
        (Rule::OneSided { near, .. }, 0) => results.make(at, y, base, |y, base| (y - base) * near),
        (Rule::OneSided { far, .. }, _) => {
            fold::update(results.column(at, y.len()), y, base, |sum, y, base| sum + (y - base) * far)
        }
        (Rule::Tableau { .. }, _) => unreachable!("a table has columns of its own"),
    }
}

fn check(finite: bool, outcome: &[f64], column: &[f64]) -> Result<(), NonFinite> {
    if finite {
        return Ok(());
    }
    let row = fold::not_finite(outcome).or_else(|| fold::not_finite(column));
    Err(NonFinite { row: row.unwrap_or(0) })
}

fn product(cotangent: &[f64], column: &[f64]) -> Result<f64, NonFinite> {
    let product = fold::dot(cotangent, column);
    if product.is_finite() {
        return Ok(product);
    }
    let size = |row: &usize| (column[*row] * cotangent[*row]).abs();
    Err(NonFinite { row: (0..column.len()).max_by(|a, b| size(a).total_cmp(&size(b))).unwrap_or(0) })
}
