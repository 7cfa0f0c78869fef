//! The coordinates of the base point. What differs from one to the next is held by coordinate, what those of a leaf
//! have in common once a leaf: a pass over a large input reads little more than its values.

use std::ops::Range;
use std::sync::Arc;

use super::{Axis, Decimal, Displacement, Kind};

/// All coordinates of the base point.
#[derive(Clone, Debug)]
pub struct Axes {
    x: Arc<[f64]>,
    runs: Vec<Run>,
    /// How each coordinate is written; empty where none goes into a text that cannot carry every value.
    texts: Vec<Option<Decimal>>,
}

/// Neighbouring coordinates of one kind.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// The first coordinate after them.
    end: usize,
    kind: Kind,
}

impl Axes {
    /// Coordinates with these values: so many of each kind, one kind after the other. `texts` tells how each is written
    /// that goes into a text; it may be empty if none is.
    ///
    /// # Panics
    /// If the kinds are of fewer or more coordinates, or `texts` is of some of them.
    pub fn new(x: Arc<[f64]>, kinds: impl IntoIterator<Item = (usize, Kind)>, texts: Vec<Option<Decimal>>) -> Axes {
        let mut end = 0;
        let runs = kinds.into_iter().filter(|(count, _)| *count > 0).map(|(count, kind)| {
            end += count;
            Run { end, kind }
        });
        let runs: Vec<Run> = runs.collect();
        assert_eq!(end, x.len(), "every coordinate has a kind");
        assert!(texts.is_empty() || texts.len() == x.len(), "all coordinates have texts, or none");
        let texts = if texts.iter().all(Option::is_none) { Vec::new() } else { texts };
        Axes { x, runs, texts }
    }

    /// The same coordinates, of other kinds.
    pub fn map(&self, kind: impl Fn(Kind) -> Kind) -> Axes {
        let runs = self.runs.iter().map(|run| Run { kind: kind(run.kind), ..*run }).collect();
        Axes { x: self.x.clone(), runs, texts: self.texts.clone() }
    }

    /// Their values at the base point.
    pub fn values(&self) -> &[f64] {
        &self.x
    }

    /// The number of coordinates.
    pub fn len(&self) -> usize {
        self.x.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.x.is_empty()
    }

    /// The kinds there are.
    pub fn kinds(&self) -> impl Iterator<Item = &Kind> {
        self.runs.iter().map(|run| &run.kind)
    }

    /// Whether some go into texts that cannot carry every value.
    pub fn are_written(&self) -> bool {
        !self.texts.is_empty()
    }

    /// One coordinate.
    #[inline]
    pub fn at(&self, i: usize) -> Axis {
        self.of_kind(self.run(i).kind, i)
    }

    #[inline]
    fn run(&self, i: usize) -> &Run {
        match &self.runs[..] {
            [run] => run,
            runs => &runs[runs.partition_point(|run| run.end <= i)],
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Axis> {
        self.stretches().flat_map(move |(range, kind)| range.map(move |i| self.of_kind(kind, i)))
    }

    /// The coordinates of each kind.
    pub(super) fn stretches(&self) -> impl Iterator<Item = (Range<usize>, Kind)> {
        let starts = std::iter::once(0).chain(self.runs.iter().map(|run| run.end));
        starts.zip(&self.runs).map(|(start, run)| (start..run.end, run.kind))
    }

    /// Those that stay among themselves when coordinates move in groups: they cannot go both ways, or their step is by
    /// hand.
    pub fn apart(&self) -> Vec<usize> {
        let mut apart = Vec::new();
        for (range, kind) in self.stretches() {
            if kind.by_hand {
                apart.extend(range);
            } else if !kind.is_free() {
                apart.extend(range.filter(|&i| self.of_kind(kind, i).is_cramped()));
            }
        }
        apart
    }

    /// Those of some coordinates, ascending, that are of one kind, together.
    pub(super) fn by_kind<'a, T>(
        &self,
        mut items: &'a [T],
        coordinate: impl Fn(&T) -> usize,
    ) -> impl Iterator<Item = (&Kind, &'a [T])> {
        std::iter::from_fn(move || {
            let run = self.run(coordinate(items.first()?));
            let count = match items.last() {
                Some(last) if coordinate(last) < run.end => items.len(),
                _ => items.partition_point(|item| coordinate(item) < run.end),
            };
            let (of_kind, others) = items.split_at(count);
            items = others;
            Some((&run.kind, of_kind))
        })
    }

    /// Displaces some coordinates, ascending: `by` tells the number of each and how far it is to go.
    #[inline]
    pub(super) fn displace<T>(&self, items: &[T], by: impl Fn(&T) -> (usize, f64), out: &mut Displacement) {
        let x = &self.x[..];
        for (&kind, items) in self.by_kind(items, |item| by(item).0) {
            let moves = items.iter().map(&by);
            if self.adds(&kind) {
                out.extend(moves.map(|(i, by)| (i, x[i] + by)));
            } else {
                out.extend(moves.map(|(i, by)| (i, self.of_kind(kind, i).displaced(by))));
            }
        }
    }

    /// Whether to displace a coordinate of this kind is to add: loops over many ask this once.
    pub(super) fn adds(&self, kind: &Kind) -> bool {
        kind.takes_all() && !self.are_written()
    }

    /// One coordinate, of this kind.
    #[inline(always)]
    pub(super) fn of_kind(&self, kind: Kind, i: usize) -> Axis {
        Axis { x: self.x[i], kind, text: self.texts.get(i).copied().flatten() }
    }
}

#[cfg(test)]
impl FromIterator<Axis> for Axes {
    fn from_iter<I: IntoIterator<Item = Axis>>(axes: I) -> Axes {
        let axes: Vec<Axis> = axes.into_iter().collect();
        let x = axes.iter().map(|axis| axis.x).collect();
        Axes::new(x, axes.iter().map(|axis| (1, axis.kind)), axes.iter().map(|axis| axis.text).collect())
    }
}

/// A kind without bounds, whose step is 1.
#[cfg(test)]
pub(super) const UNIT: Kind = Kind {
    lower: f64::NEG_INFINITY,
    upper: f64::INFINITY,
    step: super::Step::Given(1.0),
    by_hand: true,
    scale: 1.0,
    bits: 53,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_have_the_kind_of_their_leaf() {
        let (wide, narrow) = (Kind { scale: 2.0, ..UNIT }, Kind { upper: 3.0, ..UNIT });
        let axes = Axes::new([0.0, 1.0, 2.0, 3.0].into(), [(1, wide), (0, UNIT), (3, narrow)], Vec::new());
        assert_eq!(axes.iter().map(|axis| axis.kind).collect::<Vec<_>>(), [wide, narrow, narrow, narrow]);
        assert!((0..4).all(|i| axes.at(i) == axes.iter().nth(i).unwrap()));
        let pairs = |items: &[usize]| {
            axes.by_kind(items, |i| *i).map(|(kind, items)| (kind.scale, items.to_vec())).collect::<Vec<_>>()
        };
        assert_eq!(pairs(&[0, 2, 3]), [(2.0, vec![0]), (1.0, vec![2, 3])]);
        assert_eq!(pairs(&[1]), [(1.0, vec![1])]);
        let mut out = Displacement::new();
        axes.displace(&[0, 3], |&i| (i, 0.5), &mut out);
        assert_eq!(out, [(0, 0.5), (3, 3.0)]);
    }
}
