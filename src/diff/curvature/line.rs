//! The lines along which second differences are taken, and the ladder of steps on each.

use crate::diff::{Axes, Axis, Defect};

/// Rungs of the ladder of steps on every line, each so many times as long as the one below.
const RUNGS: i32 = 4;
const GROWTH: f64 = 4.0;

/// A line through the base.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// The coordinates that move, and by how much.
    pub(super) moves: Vec<(usize, f64)>,
    /// The steps, ascending.
    pub(super) rungs: Vec<Rung>,
    /// How far it may go up and down.
    pub(super) room: [f64; 2],
    /// How far a point may lie from where it should, in the line's parameter, because coordinates are rounded.
    blur: f64,
    /// Whether the longest step is the one to take.
    pub(super) by_hand: bool,
    /// The rung whose step, with those of the next two, serves best.
    pub(super) chosen: usize,
}

/// A step along a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rung {
    pub(super) h: f64,
    /// How many steps x moves to leave room: none where there is enough.
    pub(super) shift: f64,
}

/// The order of differences with these steps.
pub(super) fn order(rungs: &[Rung]) -> i32 {
    if rungs.iter().all(|rung| rung.shift == 0.0) { 2 } else { 1 }
}

impl Line {
    /// Steps about the best for functions whose derivatives are of the size of their value over powers of the
    /// coordinate: extrapolated, the noise e/h² balances truncation of the order h⁴ at (100 e)^(1/6). Where x is
    /// far below its scale, there are such for either magnitude.
    pub(super) fn new(axes: &Axes, moves: Vec<(usize, f64)>, noise: f64) -> Result<Line, Defect> {
        let least = |length: &dyn Fn(&Axis, f64) -> f64| {
            moves.iter().map(|&(i, v)| length(&axes.at(i), v) / v.abs()).fold(f64::INFINITY, f64::min)
        };
        let up = least(&|axis, v| if v > 0.0 { axis.room().0 } else { axis.room().1 });
        let down = least(&|axis, v| if v > 0.0 { axis.room().1 } else { axis.room().0 });
        let by_hand = !moves.is_empty() && moves.iter().all(|(i, _)| axes.at(*i).kind.by_hand);
        let magnitude = least(&|axis, _| axis.magnitude());
        let scale = least(&|axis, _| axis.scale_here());
        let relative = (4.0 * (100.0 * noise).powf(1.0 / 6.0)).min(0.5);
        // A coordinate alone, whose text cannot carry every value: its shortest step is still one.
        let written = match moves[..] {
            [(i, 1.0)] if !by_hand => Some(axes.at(i)).filter(|axis| axis.text.is_some()),
            _ => None,
        };
        let snapped = |h: f64| written.map_or(h, |axis| axis.snapped(h));
        let shortest = written.map_or(0.0, |axis| 2.0 * axis.spacing(0.0) * GROWTH.powi(RUNGS - 1));
        let wanted = match by_hand {
            true => vec![least(&|axis, _| axis.step())],
            false if scale > 64.0 * magnitude => vec![relative * magnitude, relative * scale],
            false => vec![relative * magnitude],
        };
        // To one side everything is twice as far away.
        let (near, far) = (up.min(down), up.max(down) / 2.0);
        if near.max(far) <= 0.0 {
            return Err(Defect::NoRoom { coordinate: moves[0].0 });
        }
        let away = if up >= down { 1.0 } else { -1.0 };
        let (count, growth) = if by_hand { (2, 2.0) } else { (RUNGS, GROWTH) };
        let mut rungs: Vec<Rung> = Vec::new();
        for wanted in wanted.into_iter().filter(|wanted| wanted.is_finite()).map(|wanted| wanted.max(shortest)) {
            let (room, shift) = if near >= wanted.min(far) / GROWTH { (near, 0.0) } else { (far, away) };
            // Powers of two, so that x + h is exact wherever it can be.
            let longest = if by_hand { wanted } else { wanted.log2().floor().exp2() }.min(room);
            let longer = (0..count).rev().map(|k| Rung { h: snapped(longest / f64::powi(growth, k)), shift });
            let last = rungs.last().map_or(0.0, |rung| rung.h);
            rungs.extend(longer.filter(|rung| rung.h > 1.5 * last));
        }
        // Steps too small to be told from the base, or to divide by their square.
        let stays = |rung: &Rung| {
            let still = |&(i, v): &(usize, f64)| {
                let axis = axes.at(i);
                axis.displaced(v * rung.h) == axis.x && axis.displaced(-v * rung.h) == axis.x
            };
            moves.iter().all(still)
        };
        if rungs.len() < count as usize || rungs.iter().any(|rung| rung.h.powi(2) < f64::MIN_POSITIVE || stays(rung)) {
            let coordinate = moves[0].0;
            let (text, step) = (axes.at(coordinate).text, axes.at(coordinate).step());
            let lost = by_hand || text.is_some();
            return Err(if lost { Defect::StepLost { coordinate, step, text } } else { Defect::NoRoom { coordinate } });
        }
        // A coordinate alone goes where it should: by powers of two, or by what its text can carry.
        let exact = !by_hand && matches!(moves[..], [(_, 1.0)]);
        let ulp = |&(i, v): &(usize, f64)| axes.at(i).spacing(0.0) / 2.0 / v.abs();
        let blur = if exact { 0.0 } else { moves.iter().map(ulp).fold(0.0, f64::max) };
        Ok(Line { moves, rungs, room: [up, down], blur, by_hand, chosen: 0 })
    }

    /// What that does to values that are these at a step to either side.
    pub(super) fn blurred(&self, h: f64, up: f64, down: f64) -> f64 {
        self.blur * (up - down).abs() / (2.0 * h)
    }

    /// The rung chosen, or so many above.
    pub(super) fn taken(&self, up: usize) -> Rung {
        self.rungs[self.chosen + up]
    }
}
