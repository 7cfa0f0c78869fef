//! Random orthogonal directions: the rows of a discrete cosine transform, some of them drawn without replacement, the
//! signs of its columns drawn too. Nothing is stored but their numbers, since every entry has a formula.
//!
//! Of N random orthonormal directions in n dimensions the projection of the gradient, times n/N, is an unbiased
//! estimate with the relative error sqrt(n/N − 1): less than the sqrt((n − 1)/N) of independent signs, and none when
//! N = n.

use std::f64::consts::PI;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::direction::ends;
use super::{Axes, Axis};

/// `samples` orthogonal directions over n coordinates.
pub(super) struct Frame {
    /// The rows of the transform.
    rows: Vec<usize>,
    /// Each coordinate's centre, and how far it goes from there at most; negative where its sign is.
    reach: Vec<(f64, f64)>,
    axes: Axes,
}

impl Frame {
    pub(super) fn new(axes: &Axes, samples: usize, seed: u64) -> Frame {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let n = axes.len();
        let mut rows: Vec<usize> = (0..n).collect();
        for i in 0..samples {
            let other = random.random_range(i..n);
            rows.swap(i, other);
        }
        rows.truncate(samples);
        let reach = |axis: Axis| {
            let [up, down] = ends(&axis);
            let extent = (up - down) / 2.0;
            ((up + down) / 2.0 - axis.x, if random.random() { extent } else { -extent })
        };
        Frame { rows, reach: axes.iter().map(reach).collect(), axes: axes.clone() }
    }

    pub(super) fn samples(&self) -> usize {
        self.rows.len()
    }

    /// How far a coordinate goes from its centre at most.
    pub(super) fn extent(&self, coordinate: usize) -> f64 {
        self.reach[coordinate].1.abs()
    }

    /// An entry of a direction, between −1 and 1; the signs are those of the reach.
    fn entry(&self, row: usize, coordinate: usize) -> f64 {
        // The angle is reduced in whole numbers: π (2j + 1) k / 2n.
        let n = self.axes.len();
        let quarter = (2 * coordinate + 1) * row % (4 * n);
        (PI * quarter as f64 / (2 * n) as f64).cos()
    }

    /// The coordinates of a sample's point, the direction reversed for its second.
    pub(super) fn point(&self, sample: usize, reversed: bool, mut act: impl FnMut(usize, f64)) {
        let sign = if reversed { -1.0 } else { 1.0 };
        for (i, (axis, (shift, reach))) in self.axes.iter().zip(&self.reach).enumerate() {
            act(i, axis.displaced(shift + sign * reach * self.entry(self.rows[sample], i)));
        }
    }

    /// The estimate, and its standard error. `differences` holds `height` numbers ½Δy a sample; both results hold as
    /// many a coordinate.
    pub(super) fn average(&self, differences: &[f64], height: usize) -> (Vec<f64>, Vec<f64>) {
        let (n, samples) = (self.axes.len(), self.samples());
        let count = samples as f64;
        let mut mean = vec![0.0; height * n];
        let mut spread = vec![0.0; height * n];
        for (&row, delta) in self.rows.iter().zip(differences.chunks_exact(height.max(1))) {
            // The square of the direction's length, over n.
            let square = if row == 0 { 1.0 } else { 0.5 };
            for (coordinate, (_, reach)) in self.reach.iter().enumerate() {
                let scale = self.entry(row, coordinate) / (square * reach);
                let rows = coordinate * height..(coordinate + 1) * height;
                let numbers = mean[rows.clone()].iter_mut().zip(&mut spread[rows]);
                for ((mean, spread), difference) in numbers.zip(delta) {
                    *mean += difference * scale / count;
                    *spread += (difference * scale).powi(2);
                }
            }
        }
        // Drawn without replacement: of all n nothing is left to chance.
        let rest = 1.0 - count / n as f64;
        for (spread, mean) in spread.iter_mut().zip(&mean) {
            let variance = (*spread / count - mean * mean).max(0.0) / (count - 1.0) * rest;
            *spread = if samples > 1 { variance.sqrt() } else { f64::INFINITY };
        }
        (mean, spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::axes::UNIT;
    use crate::diff::{Kind, Step};

    #[test]
    fn directions_are_orthogonal_and_all_of_them_are_exact() {
        let n = 37;
        let kind = Kind { lower: 0.0, upper: 1.0, step: Step::Given(0.125), ..UNIT };
        let frame = Frame::new(&Axes::new(vec![0.5; n].into(), [(n, kind)], Vec::new()), n, 3);
        for a in 0..n {
            for b in 0..n {
                let dot: f64 = (0..n).map(|i| frame.entry(a, i) * frame.entry(b, i)).sum();
                let expected = if a != b {
                    0.0
                } else if a == 0 {
                    n as f64
                } else {
                    n as f64 / 2.0
                };
                assert!((dot - expected).abs() < 1e-12, "{a} {b} {dot}");
            }
        }
        let slope: Vec<f64> = (0..n).map(|i| (i as f64).sin()).collect();
        let value = |sample, reversed| {
            let mut sum = 0.0;
            frame.point(sample, reversed, |i, value| sum += slope[i] * value);
            sum
        };
        let differences: Vec<f64> = (0..n).map(|k| (value(k, false) - value(k, true)) / 2.0).collect();
        let (mean, error) = frame.average(&differences, 1);
        for i in 0..n {
            assert!((mean[i] - slope[i]).abs() < 1e-12 && error[i] < 1e-12, "{i} {} {}", mean[i], error[i]);
        }
    }
}
