//! The lines along which differences are taken: coordinate axes, a tangent or its parts, random directions.

use super::axis::carried;
use super::axis::power_of_two;
use super::direction::Random;
use super::stencil::{Shape, Stencil};
use super::{Axis, Decimal, Defect, Displacement, Place};

/// One line a probe.
pub(super) enum Lines {
    /// Probe j goes along coordinate j; its parameter is the displacement.
    Axes,
    /// Probe j goes along the j-th vector; its parameter is the factor.
    Along {
        /// The vectors.
        lines: Vec<Line>,
        /// Whether they are parts of one tangent, whose derivatives are added up.
        parts: bool,
    },
    /// Probe j goes along the j-th random direction, to its end and to the opposite one.
    Random(Random),
}

/// A vector by its coordinates that are not zero, ascending, and how far one may go along it.
pub(super) struct Line {
    pub(super) moves: Vec<(usize, f64)>,
    reach: Reach,
}

/// How far one may and how far one should go along a line, in its parameter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    /// Room ahead.
    pub(super) up: f64,
    /// Room behind.
    pub(super) down: f64,
    /// The step asked for, or the automatic one.
    pub(super) step: f64,
    /// Whether it was asked for.
    pub(super) by_hand: bool,
    /// The magnitude of what moves: |x|, or the scale where x is 0.
    pub(super) magnitude: f64,
    /// The greater of |x| and the scale.
    pub(super) scale: f64,
    /// How what moves is written, its value, and how far the parameter moves it; if it is one coordinate, and its text
    /// cannot carry every value.
    pub(super) text: Option<(Decimal, f64, f64)>,
}

impl Reach {
    /// The step as it can be taken, and no shorter than one can be.
    pub(super) fn carried(&self, step: f64) -> f64 {
        let Some((text, x, unit)) = self.text else { return step };
        let by = step * unit;
        carried(text, x, by.max(text.spacing(x.abs() + by))) / unit
    }
}

impl Lines {
    /// The lines of a tangent: itself, or two parts that add up to it.
    ///
    /// Some coordinates may sit at a bound ahead and others at one behind. By linearity the derivative is the sum
    /// of those along the part that can go ahead and the part that cannot.
    ///
    /// The step is `step`, if it is given.
    pub(super) fn of_tangent(
        axes: &[Axis],
        tangent: &[f64],
        shape: Shape,
        step: Option<f64>,
    ) -> Result<Lines, Vec<Defect>> {
        let stepped = |mut line: Line| {
            if let Some(step) = step {
                (line.reach.step, line.reach.by_hand) = (step, true);
            }
            line
        };
        let moves = || tangent.iter().copied().enumerate().filter(|(_, v)| *v != 0.0);
        let whole = stepped(Line::new(axes, moves(), tangent.len()));
        if whole.moves.is_empty() {
            return Ok(Lines::Along { lines: Vec::new(), parts: true });
        }
        if whole.reach.up + whole.reach.down <= 0.0 {
            let fixed = moves().filter(|&(i, _)| axes[i].room() == (0.0, 0.0));
            let fixed: Vec<_> = fixed.map(|(coordinate, _)| Defect::NoRoom { coordinate }).collect();
            if !fixed.is_empty() {
                return Err(fixed);
            }
        }
        if moves().count() > 1 && moves().any(|(i, _)| axes[i].text.is_some()) {
            // Rounded coordinates would not lie on the tangent's line: each goes alone.
            let lines = moves().map(|one| stepped(Line::new(axes, std::iter::once(one), 1))).collect();
            return Ok(Lines::Along { lines, parts: true });
        }
        let stencil = Stencil::within(shape, whole.reach.step, whole.reach.up, whole.reach.down);
        if stencil.step().abs() >= whole.reach.step / 8.0 {
            return Ok(Lines::Along { lines: vec![whole], parts: true });
        }
        let (ahead, behind): (Vec<_>, Vec<_>) = whole.moves.into_iter().partition(|&(i, v)| {
            let (up, down) = axes[i].room();
            if v > 0.0 { up >= down } else { down >= up }
        });
        let lines = [ahead, behind].into_iter().filter(|part| !part.is_empty());
        let lines = lines.map(|part| stepped(Line::new(axes, part.iter().copied(), part.len()))).collect();
        Ok(Lines::Along { lines, parts: true })
    }

    /// One line a group of coordinates, each of which moves by its own step: the one asked for, else in proportion
    /// to its magnitude. Where steps are fixed the parameter is 1.
    pub(super) fn of_groups(axes: &[Axis], groups: &[Vec<usize>], fixed: bool) -> Lines {
        let unit = |axis: &Axis| if fixed || axis.by_hand { axis.step } else { power_of_two(axis.magnitude()) };
        // A coordinate that has no room ahead goes the other way.
        let sign = |axis: &Axis| {
            let (up, down) = axis.room();
            if up >= down.min(unit(axis)) { 1.0 } else { -1.0 }
        };
        let step = |i: usize| sign(&axes[i]) * unit(&axes[i]);
        let line = |group: &Vec<usize>| Line::new(axes, group.iter().map(|&i| (i, step(i))), group.len());
        Lines::Along { lines: groups.iter().map(line).collect(), parts: false }
    }

    /// The number of probes.
    pub(super) fn len(&self, axes: &[Axis]) -> usize {
        match self {
            Lines::Axes => axes.len(),
            Lines::Along { lines, .. } => lines.len(),
            Lines::Random(random) => random.samples(),
        }
    }

    /// How far a probe may and should go.
    pub(super) fn reach(&self, axes: &[Axis], probe: usize) -> Reach {
        match self {
            Lines::Axes => {
                let axis = &axes[probe];
                let (up, down) = axis.room();
                let Axis { step, by_hand, .. } = *axis;
                let text = axis.text.map(|text| (text, axis.x, 1.0));
                Reach { up, down, step, by_hand, magnitude: axis.magnitude(), scale: axis.scale_here(), text }
            }
            Lines::Along { lines, .. } => lines[probe].reach,
            Lines::Random(_) => {
                Reach { up: 1.0, down: 1.0, step: 1.0, by_hand: true, magnitude: 1.0, scale: 1.0, text: None }
            }
        }
    }

    /// The parameter at which a probe's point really lies, when it is wanted at `t`.
    pub(super) fn realised(&self, axes: &[Axis], probe: usize, t: f64) -> f64 {
        match self {
            Lines::Axes => axes[probe].displaced(t) - axes[probe].x,
            // Coordinates are rounded each in its own way.
            Lines::Along { lines, parts } => {
                if let [(i, v)] = lines[probe].moves[..]
                    && axes[i].text.is_some()
                {
                    return (axes[i].displaced(v * t) - axes[i].x) / v;
                }
                let moves = |(i, v): &(usize, f64)| axes[*i].displaced(v * t) != axes[*i].x;
                let mut line = lines[probe].moves.iter();
                // A tangent may be lost in some of its coordinates, of columns none may be lost.
                if if *parts { line.any(moves) } else { line.all(moves) } { t } else { 0.0 }
            }
            Lines::Random(_) => t,
        }
    }

    /// The coordinates of a probe's point at `t`.
    pub(super) fn displace(&self, axes: &[Axis], probe: usize, t: f64, out: &mut Displacement) {
        match self {
            Lines::Axes => out.push((probe, axes[probe].displaced(t))),
            Lines::Along { lines, .. } => {
                out.extend(lines[probe].moves.iter().map(|&(i, v)| (i, axes[i].displaced(v * t))));
            }
            Lines::Random(random) => random.point(probe, t < 0.0, |i, value| out.push((i, value))),
        }
    }

    /// Where that is.
    pub(super) fn place(&self, axes: &[Axis], probe: usize, t: f64) -> Place {
        match self {
            Lines::Axes => Place::Axis { coordinate: probe, step: self.realised(axes, probe, t) },
            Lines::Along { parts: true, .. } => Place::Tangent { step: t },
            Lines::Along { lines, .. } => {
                let line = &lines[probe].moves;
                let (coordinate, v) = line.first().copied().unwrap_or_default();
                Place::Group { coordinate, step: v * t, others: line.len().saturating_sub(1) }
            }
            Lines::Random(_) => Place::Sample { sample: probe, reversed: t < 0.0 },
        }
    }

    /// Why a probe cannot move, or not by so little.
    pub(super) fn defect(&self, axes: &[Axis], probe: usize, step: f64) -> Defect {
        match self {
            Lines::Axes => {
                let (up, down) = axes[probe].room();
                if up + down <= 0.0 {
                    Defect::NoRoom { coordinate: probe }
                } else {
                    Defect::StepLost { coordinate: probe, step, text: axes[probe].text }
                }
            }
            _ => Defect::TangentLost,
        }
    }
}

impl Line {
    /// Along a direction the step is the longest at which no coordinate moves farther than its own. So a tangent's
    /// length does not matter, nor that its coordinates have different units. Room is what all coordinates have.
    fn new(axes: &[Axis], moves: impl Iterator<Item = (usize, f64)>, most: usize) -> Line {
        let none = f64::INFINITY;
        let reach = Reach {
            up: none,
            down: none,
            step: f64::MAX,
            by_hand: false,
            magnitude: f64::MAX,
            scale: f64::MAX,
            text: None,
        };
        let mut line = Line { moves: Vec::with_capacity(most), reach };
        for (i, v) in moves {
            let axis = &axes[i];
            let (up, down) = axis.room();
            // The reciprocal of the least numbers is none.
            let per_unit = (1.0 / v.abs()).min(f64::MAX);
            let (ahead, back) = if v > 0.0 { (up, down) } else { (down, up) };
            let scale = axis.scale_here() * per_unit;
            let reach = &mut line.reach;
            reach.up = least(reach.up, ahead * per_unit);
            reach.down = least(reach.down, back * per_unit);
            reach.step = least(reach.step, axis.step * per_unit);
            reach.by_hand |= axis.by_hand;
            reach.magnitude = least(reach.magnitude, scale);
            reach.scale = reach.magnitude;
            line.moves.push((i, v));
            reach.text = axis.text.map(|text| (text, axis.x, v.abs())).filter(|_| line.moves.len() == 1);
        }
        line
    }
}

/// The lesser of two numbers that are numbers.
#[inline(always)]
fn least(a: f64, b: f64) -> f64 {
    if b < a { b } else { a }
}
