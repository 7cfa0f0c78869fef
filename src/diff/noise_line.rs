//! The line on which noise is measured: every coordinate moves a little, by a random part of its magnitude.

use std::ops::Range;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::axis::exp2;
use super::line::Lines;
use super::noise::SAMPLES;
use super::plan::Plan;
use super::{Axes, Axis, Displacement};

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
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let axes = &plan.axes;
        let mut moves = vec![!matches!(plan.lines, Lines::Tangent(_) | Lines::Groups(_)); axes.len()];
        match &plan.lines {
            Lines::Tangent(lines) => lines.iter().flat_map(|line| &line.moves).for_each(|&(i, _)| moves[i] = true),
            Lines::Groups(groups) => groups.of.groups.iter().flatten().for_each(|&i| moves[i] = true),
            Lines::Axes | Lines::Random(_) => {}
        }
        let mut line = NoiseLine { moves: Vec::with_capacity(axes.len()), farther: false, attempts: 0 };
        for (range, kind) in axes.stretches() {
            for i in range.filter(|&i| moves[i]) {
                let spacing = spacing(&axes.of_kind(kind, i), random.random_range(0.5..1.0), random.random());
                if spacing != 0.0 {
                    line.moves.push((i, spacing));
                }
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

/// 2⁻¹⁴ of the magnitude, more where the type is too coarse for that: small enough that smooth functions have no
/// fourth differences, large enough that printed numbers change. A whole number of units in the last place, so
/// that points are equally spaced; towards where there is room.
#[inline(always)]
fn spacing(axis: &Axis, part: f64, up: bool) -> f64 {
    let (above, below) = axis.room();
    // Which way is drawn, and not to be guessed: without a branch on it this takes half the time.
    let sides = [below, above];
    let relative = exp2((3 - axis.kind.bits as i32).max(-14));
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
