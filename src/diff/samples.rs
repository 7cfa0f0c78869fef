//! Outcomes on the noise line, as far as they arrive.

use std::ops::Range;

use super::noise::SAMPLES;
use super::share::Sampling;

/// Outcomes by point: those near the base first, then those farther away.
#[derive(Default)]
pub(super) struct Samples {
    /// m numbers a point.
    outcomes: Vec<f64>,
    arrived: Vec<bool>,
}

impl Samples {
    /// Memory for the outcomes of these points, m numbers each, in parts of so many points. None has arrived.
    pub(super) fn expect(&mut self, points: Range<usize>, m: usize, per_part: usize) -> Vec<Sampling<'_>> {
        self.outcomes.resize(points.end * m, 0.0);
        self.arrived.resize(points.end, false);
        self.arrived[points.clone()].fill(false);
        let parts = self.arrived[points.clone()].chunks_mut(per_part);
        let mut outcomes = self.outcomes[points.start * m..].chunks_mut((per_part * m).max(1));
        parts.map(|arrived| Sampling { outcomes: outcomes.next().unwrap_or_default(), arrived }).collect()
    }

    pub(super) fn all_arrived(&self) -> bool {
        self.arrived.iter().all(|arrived| *arrived)
    }

    /// The outcomes near the base as far as they arrived in a row, after that of the base.
    pub(super) fn near<'a>(&'a self, base: &'a [f64]) -> Vec<&'a [f64]> {
        let told = self.told(base.len()).take(SAMPLES - 1).map_while(|outcome| outcome);
        std::iter::once(base).chain(told).collect()
    }

    /// Those farther away that arrived.
    pub(super) fn far(&self, m: usize) -> Vec<&[f64]> {
        self.told(m).skip(SAMPLES - 1).flatten().collect()
    }

    fn told(&self, m: usize) -> impl Iterator<Item = Option<&[f64]>> {
        self.outcomes.chunks_exact(m.max(1)).zip(&self.arrived).map(|(outcome, arrived)| arrived.then_some(outcome))
    }
}
