//! The points of one round: for some of the probes a stencil each.

use super::line::Lines;
use super::stencil::{Rule, Stencil};
use super::{Axes, Displacement, Place};

/// A stencil of a probe.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) probe: usize,
    /// The parameters of its points; for a tableau those of the first two, which others double.
    at: [f64; 2],
    pub(super) rule: Rule,
}

impl Entry {
    /// The stencil where its points really lie; `None` where they are not distinct, or too close to divide by.
    pub(super) fn new(axes: &Axes, lines: &Lines, probe: usize, stencil: Stencil) -> Option<Entry> {
        let wanted = stencil.parameters();
        let t = wanted.map(|t| lines.realised(axes, probe, t));
        let rule = stencil.rule(t);
        let stays = t[0] == 0.0 || (rule.points() > 1 && (t[1] == 0.0 || t[0] == t[1]));
        (!stays && rule.is_finite()).then_some(Entry { probe, at: wanted, rule })
    }

    /// The stencil it was made from.
    pub(super) fn stencil(&self) -> Stencil {
        let t = self.at[0];
        match self.rule {
            Rule::Pair { .. } => Stencil::Pair(t),
            Rule::Central { .. } => Stencil::Central(t),
            Rule::OneSided { .. } => Stencil::OneSided(t),
            Rule::Tableau { levels, sides } => Stencil::Tableau { t, levels, sides },
        }
    }

    /// The parameter of one of its points.
    pub(super) fn parameter(&self, which: usize) -> f64 {
        match self.rule {
            Rule::Tableau { sides, .. } => self.at[which % sides] * (1u64 << (which / sides)) as f64,
            _ => self.at[which],
        }
    }
}

/// Some probes' stencils, ascending, and their points numbered through.
#[derive(Default)]
pub(super) struct Round {
    pub(super) entries: Vec<Entry>,
    /// The number of points of every entry, if they all have as many.
    uniform: Option<usize>,
    /// The first point of each entry, and the number of points at the end.
    starts: Vec<usize>,
}

impl Round {
    pub(super) fn new(entries: Vec<Entry>) -> Round {
        let points = entries.first().map_or(1, |entry| entry.rule.points());
        let uniform = entries.iter().all(|entry| entry.rule.points() == points).then_some(points);
        let mut starts = Vec::new();
        if uniform.is_none() {
            starts.push(0);
            starts.extend(entries.iter().scan(0, |sum, entry| {
                *sum += entry.rule.points();
                Some(*sum)
            }));
        }
        Round { entries, uniform, starts }
    }

    /// The first point of an entry, or past the last entry the number of points.
    pub(super) fn start(&self, entry: usize) -> usize {
        self.uniform.map_or_else(|| self.starts[entry], |points| entry * points)
    }

    pub(super) fn points(&self) -> usize {
        self.start(self.entries.len())
    }

    /// The entry of a point and which of its points it is.
    #[inline]
    pub(super) fn locate(&self, point: usize) -> (usize, usize) {
        match self.uniform {
            Some(1) => (point, 0),
            Some(2) => (point / 2, point % 2),
            Some(points) => (point / points, point % points),
            None => {
                let entry = self.starts.partition_point(|&start| start <= point) - 1;
                (entry, point - self.starts[entry])
            }
        }
    }

    pub(super) fn displace(&self, axes: &Axes, lines: &Lines, point: usize, out: &mut Displacement) {
        out.clear();
        let (entry, which) = self.locate(point);
        let entry = &self.entries[entry];
        lines.displace(axes, entry.probe, entry.parameter(which), out);
    }

    pub(super) fn place(&self, axes: &Axes, lines: &Lines, point: usize) -> Place {
        let (entry, which) = self.locate(point);
        let entry = &self.entries[entry];
        lines.place(axes, entry.probe, entry.parameter(which))
    }
}
