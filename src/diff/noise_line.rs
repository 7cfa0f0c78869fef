//! The line on which noise is measured: every coordinate moves a little, by a random part of its magnitude.

use std::ops::Range;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::axis::exp2;
use super::line::Lines;
use super::noise::SAMPLES;
use super::plan::Plan;
use super::{Axes, Axis, Displacement, Kind, fold};

/// Points farther away, in units of the first: for outputs that are constant near the base.
const FARTHER: [f64; 2] = [64.0, 1024.0];

/// The shortest line there is, for outputs that look as if they were noise alone, in units of the first.
const SHORTER: f64 = 1.0 / (1u64 << 20) as f64;

/// Every coordinate that moves, and by how much from one point to the next.
#[derive(Default)]
pub(super) struct NoiseLine {
    moves: Vec<(usize, f64)>,
    farther: bool,
    attempts: u8,
}

impl NoiseLine {
    pub(super) fn near(plan: &Plan) -> NoiseLine {
        let axes = &plan.axes;
        let mut on_tangent = Vec::new();
        if let Lines::Tangent(lines) = &plan.lines {
            on_tangent.resize(axes.len(), false);
            lines.iter().flat_map(|line| &line.moves).for_each(|&(i, _)| on_tangent[i] = true);
        }
        let moves = |i: usize| match &plan.lines {
            Lines::Tangent(_) => on_tangent[i],
            Lines::Groups(groups) => (groups.of.group_of[i] as usize) < groups.of.groups.len(),
            Lines::Axes | Lines::Random(_) => true,
        };
        let mut random = vec![0; axes.len()];
        ChaCha8Rng::seed_from_u64(0).fill(&mut random[..]);
        let mut line = NoiseLine { moves: Vec::with_capacity(axes.len()), farther: false, attempts: 0 };
        for (range, kind) in axes.stretches() {
            let values = &axes.values()[range.clone()];
            let is_simple = axes.adds(&kind) && fold::magnitude(values) < f64::MAX / 2.0;
            let drawn = range.clone().zip(&random[range]).map(|(i, random)| (i, Drawn::from(*random)));
            let drawn = drawn.filter(|(i, _)| moves(*i));
            let add = |(i, spacing)| {
                if spacing != 0.0 {
                    line.moves.push((i, spacing));
                }
            };
            if is_simple {
                drawn.map(|(i, drawn)| (i, simple_spacing(&kind, axes.values()[i], drawn))).for_each(add);
            } else {
                drawn.map(|(i, drawn)| (i, spacing(&axes.of_kind(kind, i), drawn))).for_each(add);
            }
        }
        line
    }

    /// The other way; the second time also much shorter. False when there is no other way left.
    pub(super) fn try_elsewhere(&mut self) -> bool {
        self.attempts += 1;
        let factor = if self.attempts == 1 { -1.0 } else { -1.0 / 1024.0 };
        for (_, spacing) in &mut self.moves {
            *spacing *= factor;
        }
        self.attempts <= 2
    }

    pub(super) fn look_farther(&mut self) {
        self.farther = true;
    }

    /// Points much nearer to the base; of coordinates whose type or text is too coarse for that, the next ones there are.
    /// False where those are the points that were seen.
    pub(super) fn come_closer(&mut self, axes: &Axes) -> bool {
        self.farther = false;
        let mut comes = false;
        for (i, spacing) in &mut self.moves {
            let least = unit(&axes.at(*i), *spacing);
            let shorter = ((*spacing * SHORTER / least).trunc() * least).abs().max(least).copysign(*spacing);
            comes |= shorter != *spacing;
            *spacing = shorter;
        }
        comes
    }

    /// The numbers of the points that are asked for.
    pub(super) fn points(&self) -> Range<usize> {
        if self.farther { SAMPLES - 1..SAMPLES - 1 + FARTHER.len() } else { 0..SAMPLES - 1 }
    }

    pub(super) fn displace(&self, axes: &Axes, point: usize, out: &mut Displacement) {
        let times = if point < SAMPLES - 1 { (point + 1) as f64 } else { FARTHER[point + 1 - SAMPLES] };
        out.clear();
        axes.displace(&self.moves, |&(i, spacing)| (i, spacing * times), out);
    }
}

/// What is left to chance: a part of the spacing, from a half to 1, and which way to go.
#[derive(Clone, Copy)]
struct Drawn {
    part: f64,
    up: bool,
}

impl From<u32> for Drawn {
    #[inline(always)]
    fn from(random: u32) -> Drawn {
        const HALF: u64 = 0.5f64.to_bits();
        // The bits are there twice, since a number with few of them is rounded less than others are.
        let bits = u64::from(random) << 20 | u64::from(random >> 12);
        Drawn { part: f64::from_bits(HALF | bits), up: random & 1 == 1 }
    }
}

/// What a coordinate's magnitude is multiplied by in the spacing of its points.
const RELATIVE: f64 = 1.0 / (1u64 << 14) as f64;

/// What [`spacing`] is for a coordinate that takes every value and is far from the greatest: the same without a division
/// and without a branch.
#[inline(always)]
fn simple_spacing(kind: &Kind, x: f64, Drawn { part, up }: Drawn) -> f64 {
    let wanted = part * RELATIVE * kind.magnitude(x);
    let farthest = x.abs() + wanted * SAMPLES as f64;
    // The bits below the unit in the last place of the farthest point.
    let below = 1 + (farthest.to_bits() >> 52) - (wanted.to_bits() >> 52);
    f64::from_bits(wanted.to_bits() & (u64::MAX << below) | u64::from(!up) << 63)
}

/// 2⁻¹⁴ of the magnitude, more where the type is too coarse for that: small enough that smooth functions have no
/// fourth differences, large enough that printed numbers change. A whole number of units in the last place, so
/// that points are equally spaced; towards where there is room.
#[inline(always)]
fn spacing(axis: &Axis, Drawn { part, up }: Drawn) -> f64 {
    let (above, below) = axis.room();
    // Which way is drawn, and not to be guessed: without a branch on it this takes half the time.
    let sides = [below, above];
    let relative = exp2(3 - axis.kind.bits as i32).max(RELATIVE);
    let least = if axis.text.is_some() { axis.spacing(0.0) } else { 0.0 };
    let wanted = (part * relative * axis.magnitude()).max(least);
    let unit = unit(axis, wanted);
    let reach = wanted * SAMPLES as f64;
    let up = (up & ((above >= reach) | (above >= below))) | (!up & (below < reach) & (above > below));
    let side = sides[usize::from(up)];
    let wanted = if side >= reach { wanted } else { side / SAMPLES as f64 };
    // As a whole number that is rounded without a call: it is far below 2^63.
    let spacing = (wanted / unit) as i64 as f64 * unit;
    f64::from(2 * i8::from(up) - 1) * spacing
}

/// The distance of neighbouring values of the coordinate, wherever a line of that spacing takes it.
#[inline(always)]
fn unit(axis: &Axis, spacing: f64) -> f64 {
    axis.spacing(spacing * SAMPLES as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::diff::axes::UNIT;

    proptest! {
        #[test]
        fn a_simple_spacing_is_a_spacing(x in -1e3..1e3f64, random: u32, power in -900..900i32) {
            let (x, drawn) = (x * exp2(power), Drawn::from(random));
            let axis = Axis { x, kind: UNIT, text: None };
            prop_assert_eq!(simple_spacing(&UNIT, x, drawn), spacing(&axis, drawn));
        }
    }
}
