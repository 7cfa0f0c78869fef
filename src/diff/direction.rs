//! Random directions of the simultaneous-perturbation estimate (SPSA): every coordinate moves by plus
//! or minus its own step at once, the signs drawn by a counter-based generator, so that any of them can
//! be had at any time, on any thread, without being stored.
//!
//! Spall, *Multivariate stochastic approximation using a simultaneous perturbation gradient
//! approximation*, IEEE TAC 37(3), 1992.

use std::collections::HashSet;

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use super::orthogonal::Frame;
use super::{Axes, Axis};

/// Columns are filled in blocks of this many coordinates; one block is 16 words of the generator.
pub(super) const BLOCK: usize = 512;

/// Random directions of either kind.
pub(super) enum Random {
    /// Independent signs.
    Signs(Signs),
    /// Orthogonal ones.
    Frame(Frame),
}

impl Random {
    pub(super) fn samples(&self) -> usize {
        match self {
            Random::Signs(signs) => signs.samples(),
            Random::Frame(frame) => frame.samples(),
        }
    }

    /// How far a coordinate goes from its centre at most.
    pub(super) fn extent(&self, coordinate: usize) -> f64 {
        match self {
            Random::Signs(signs) => {
                let [a, b] = signs.ends(coordinate);
                (a - b).abs() / 2.0
            }
            Random::Frame(frame) => frame.extent(coordinate),
        }
    }

    /// The coordinates of a sample's point, the direction reversed for its second.
    pub(super) fn point(&self, sample: usize, reversed: bool, act: impl FnMut(usize, f64)) {
        match self {
            Random::Signs(signs) => signs.point(sample, reversed, act),
            Random::Frame(frame) => frame.point(sample, reversed, act),
        }
    }

    /// The estimate, and its standard error. `differences` holds `height` numbers ½Δy a sample; both results hold as
    /// many a coordinate.
    pub(super) fn average(&self, differences: &[f64], height: usize) -> (Vec<f64>, Vec<f64>) {
        match self {
            Random::Signs(signs) => signs.average(differences, height),
            Random::Frame(frame) => frame.average(differences, height),
        }
    }
}

/// `samples` directions of Rademacher signs over n coordinates.
pub(super) struct Signs {
    seed: [u8; 32],
    /// The generator's stream for each sample.
    streams: Vec<u64>,
    /// Each coordinate's value with sign + and with sign −.
    ends: Vec<[f64; 2]>,
}

impl Signs {
    pub(super) fn new(axes: &Axes, samples: usize, seed: u64) -> Signs {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let ends = axes.iter().map(|axis| ends(&axis)).collect();
        let mut signs = Signs { seed: key, streams: (0..samples as u64).collect(), ends };
        if axes.len() <= 64 {
            // With so few coordinates a direction may be drawn twice, or with its opposite; each
            // would be evaluated again. Draw without replacement instead.
            let used = if axes.len() == 64 { u64::MAX } else { (1 << axes.len()) - 1 };
            let mut seen = HashSet::new();
            signs.streams = (0..)
                .filter(|&stream| {
                    let word = signs.words(stream, 0).next_u64();
                    let canonical = if word & 1 == 0 { word } else { !word };
                    seen.insert(canonical & used)
                })
                .take(samples)
                .collect();
        }
        signs
    }

    pub(super) fn samples(&self) -> usize {
        self.streams.len()
    }

    /// Both values of a coordinate.
    pub(super) fn ends(&self, coordinate: usize) -> [f64; 2] {
        self.ends[coordinate]
    }

    fn words(&self, stream: u64, block: usize) -> ChaCha8Rng {
        let mut generator = ChaCha8Rng::from_seed(self.seed);
        generator.set_stream(stream);
        generator.set_word_pos((block * BLOCK / 32) as u128);
        generator
    }

    /// Calls `act(coordinate, negative)` for the coordinates of one block.
    pub(super) fn block(&self, sample: usize, block: usize, mut act: impl FnMut(usize, bool)) {
        let mut generator = self.words(self.streams[sample], block);
        let end = self.ends.len().min((block + 1) * BLOCK);
        for start in (block * BLOCK..end).step_by(64) {
            let word = generator.next_u64();
            for coordinate in start..end.min(start + 64) {
                act(coordinate, word >> (coordinate - start) & 1 == 1);
            }
        }
    }

    pub(super) fn blocks(&self) -> usize {
        self.ends.len().div_ceil(BLOCK)
    }

    /// The coordinates of a sample's point, the direction reversed for its second.
    pub(super) fn point(&self, sample: usize, reversed: bool, mut act: impl FnMut(usize, f64)) {
        for block in 0..self.blocks() {
            self.block(sample, block, |coordinate, negative| {
                act(coordinate, self.ends[coordinate][usize::from(negative != reversed)]);
            });
        }
    }

    /// The mean over samples of Δy / Δx, samples in their order, and its standard error. `differences` holds
    /// `height` numbers ½Δy a sample; both results hold as many a coordinate.
    pub(super) fn average(&self, differences: &[f64], height: usize) -> (Vec<f64>, Vec<f64>) {
        let samples = self.samples();
        let count = samples as f64;
        let mut mean = vec![0.0; height * self.ends.len()];
        let mut spread = vec![0.0; height * self.ends.len()];
        for block in 0..self.blocks() {
            for sample in 0..samples {
                let delta = &differences[sample * height..(sample + 1) * height];
                self.block(sample, block, |coordinate, negative| {
                    let [plus, minus] = self.ends(coordinate);
                    let gap = if negative { minus - plus } else { plus - minus } / 2.0;
                    let rows = coordinate * height..(coordinate + 1) * height;
                    let numbers = mean[rows.clone()].iter_mut().zip(&mut spread[rows]);
                    for ((mean, spread), difference) in numbers.zip(delta) {
                        *mean += difference / (gap * count);
                        *spread += (difference / gap).powi(2);
                    }
                });
            }
        }
        for (spread, mean) in spread.iter_mut().zip(&mean) {
            let variance = (*spread / count - mean * mean).max(0.0) / (count - 1.0);
            // One sample shows no spread.
            *spread = if samples > 1 { variance.sqrt() } else { f64::INFINITY };
        }
        (mean, spread)
    }
}

/// Where a coordinate goes: its step to either side of a centre that lies inside the bounds.
///
/// At a bound the centre moves inward by up to one step. The estimate is then one at a point that
/// far away, a bias of one step times the second derivative, which the variance of the estimate
/// dwarfs (Sadegh, *Constrained optimization via stochastic approximation with a simultaneous
/// perturbation gradient approximation*, Automatica 33(5), 1997, moves it likewise).
pub(super) fn ends(axis: &Axis) -> [f64; 2] {
    let (up, down) = axis.room();
    let step = axis.step().min((up + down) / 2.0);
    let shift = (step - down).max(0.0) - (step - up).max(0.0);
    [axis.displaced(shift + step), axis.displaced(shift - step)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::axes::UNIT;
    use crate::diff::{Kind, Step};

    fn axes(x: impl Iterator<Item = f64>) -> Axes {
        let kind = Kind { lower: 0.0, upper: 1.0, step: Step::Given(0.125), ..UNIT };
        x.map(|x| Axis { x, kind, text: None }).collect()
    }

    #[test]
    fn few_coordinates_never_repeat_a_direction() {
        for seed in 0..50 {
            let axes = axes(std::iter::repeat_n(0.5, 11));
            let signs = Signs::new(&axes, 10, seed);
            let mut seen = HashSet::new();
            for sample in 0..10 {
                for reversed in [false, true] {
                    let mut point = Vec::new();
                    signs.point(sample, reversed, |_, value| point.push(value.to_bits()));
                    assert!(seen.insert(point));
                }
            }
        }
    }

    #[test]
    fn points_stay_inside_and_blocks_agree_with_points() {
        let axes = axes((0..1300).map(|i| [0.0, 0.06, 0.5, 1.0][i % 4]));
        let signs = Signs::new(&axes, 3, 7);
        for sample in 0..3 {
            let mut point = vec![f64::NAN; axes.len()];
            signs.point(sample, false, |i, value| point[i] = value);
            assert!(point.iter().all(|v| (0.0..=1.0).contains(v)));
            for block in (0..signs.blocks()).rev() {
                signs.block(sample, block, |i, negative| {
                    assert_eq!(point[i], signs.ends(i)[usize::from(negative)]);
                });
            }
        }
        let balance: i32 = (0..1300)
            .map(|i| {
                let mut sign = 0;
                signs.block(0, i / BLOCK, |j, negative| {
                    if j == i {
                        sign = if negative { -1 } else { 1 }
                    }
                });
                sign
            })
            .sum();
        assert!(balance.abs() < 150, "{balance}");
    }
}
