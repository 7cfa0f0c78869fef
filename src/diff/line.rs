//! The lines along which differences are taken: coordinate axes, a tangent or its parts, random directions.

use super::axis::carried;
use super::direction::Random;
use super::groups::Groups;
use super::stencil::{Shape, Stencil};
use super::{Axes, Decimal, Defect, Displacement, Place};

/// One line a probe.
pub(super) enum Lines {
    /// Probe j goes along coordinate j; its parameter is the displacement.
    Axes,
    /// Probe j goes along the j-th part of a tangent; its parameter is the factor, and the derivatives are added up.
    Tangent(Vec<Line>),
    /// Probe j moves the coordinates of the j-th group.
    Groups(Groups),
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
    /// The reach of what is yet to be bounded.
    pub(super) fn endless() -> Reach {
        let (none, most) = (f64::INFINITY, f64::MAX);
        Reach { up: none, down: none, step: most, by_hand: false, magnitude: most, scale: most, text: None }
    }

    /// The step as it can be taken, and no shorter than one can be.
    pub(super) fn carried(&self, step: f64) -> f64 {
        let Some((text, x, unit)) = self.text else { return step };
        let by = step * unit;
        carried(text, x, by.max(text.spacing(x.abs() + by))) / unit
    }
}

/// How far a coordinate may go along a move of it, and against it.
pub(super) fn room(axes: &Axes, (i, v): (usize, f64)) -> [f64; 2] {
    let (up, down) = axes.at(i).room();
    if v > 0.0 { [up, down] } else { [down, up] }
}

/// The part of a tangent that has more room ahead, and that which has more behind, if there are such.
pub(super) fn in_parts(axes: &Axes, moves: Vec<(usize, f64)>) -> Vec<Vec<(usize, f64)>> {
    let (ahead, behind): (Vec<_>, Vec<_>) = moves.into_iter().partition(|one| {
        let [ahead, behind] = room(axes, *one);
        ahead >= behind
    });
    [ahead, behind].into_iter().filter(|part| !part.is_empty()).collect()
}

impl Lines {
    /// The lines of a tangent: itself, or two parts that add up to it.
    ///
    /// Some coordinates may sit at a bound ahead and others at one behind. By linearity the derivative is the sum
    /// of those along the part that can go ahead and the part that cannot.
    pub(super) fn of_tangent(axes: &Axes, tangent: &[f64], shape: Shape) -> Result<Lines, Vec<Defect>> {
        let moves = || tangent.iter().copied().enumerate().filter(|(_, v)| *v != 0.0);
        let whole = Line::new(axes, moves(), tangent.len());
        if whole.moves.is_empty() {
            return Ok(Lines::Tangent(Vec::new()));
        }
        if whole.reach.up + whole.reach.down <= 0.0 {
            let fixed = moves().filter(|&(i, _)| axes.at(i).room() == (0.0, 0.0));
            let fixed: Vec<_> = fixed.map(|(coordinate, _)| Defect::NoRoom { coordinate }).collect();
            if !fixed.is_empty() {
                return Err(fixed);
            }
        }
        if moves().count() > 1 && moves().any(|(i, _)| axes.at(i).text.is_some()) {
            // Rounded coordinates would not lie on the tangent's line: each goes alone.
            let lines = moves().map(|one| Line::new(axes, std::iter::once(one), 1)).collect();
            return Ok(Lines::Tangent(lines));
        }
        let stencil = Stencil::within(shape, whole.reach.step, whole.reach.up, whole.reach.down);
        if stencil.step().abs() >= whole.reach.step / 8.0 {
            return Ok(Lines::Tangent(vec![whole]));
        }
        let parts = in_parts(axes, whole.moves).into_iter();
        Ok(Lines::Tangent(parts.map(|part| Line::new(axes, part.iter().copied(), part.len())).collect()))
    }

    /// The number of probes.
    pub(super) fn len(&self, axes: &Axes) -> usize {
        match self {
            Lines::Axes => axes.len(),
            Lines::Tangent(lines) => lines.len(),
            Lines::Groups(groups) => groups.of.groups.len(),
            Lines::Random(random) => random.samples(),
        }
    }

    /// How far a probe may and should go.
    pub(super) fn reach(&self, axes: &Axes, probe: usize) -> Reach {
        match self {
            Lines::Axes => {
                let axis = axes.at(probe);
                let (up, down) = axis.room();
                let text = axis.text.map(|text| (text, axis.x, 1.0));
                let (step, by_hand) = (axis.step(), axis.kind.by_hand);
                Reach { up, down, step, by_hand, magnitude: axis.magnitude(), scale: axis.scale_here(), text }
            }
            Lines::Tangent(lines) => lines[probe].reach,
            Lines::Groups(groups) => groups.reaches[probe],
            Lines::Random(_) => {
                Reach { up: 1.0, down: 1.0, step: 1.0, by_hand: true, magnitude: 1.0, scale: 1.0, text: None }
            }
        }
    }

    /// The parameter at which a probe's point really lies, when it is wanted at `t`.
    pub(super) fn realised(&self, axes: &Axes, probe: usize, t: f64) -> f64 {
        match self {
            Lines::Axes => {
                let axis = axes.at(probe);
                axis.displaced(t) - axis.x
            }
            Lines::Tangent(lines) => match lines[probe].moves[..] {
                [(i, v)] if axes.at(i).text.is_some() => (axes.at(i).displaced(v * t) - axes.at(i).x) / v,
                // Coordinates are rounded each in its own way, and a tangent may be lost in some of them.
                ref moves if moves.iter().any(|&(i, v)| axes.at(i).displaced(v * t) != axes.at(i).x) => t,
                _ => 0.0,
            },
            Lines::Groups(groups) => groups.realised(axes, probe, t),
            Lines::Random(_) => t,
        }
    }

    /// The coordinates of a probe's point at `t`.
    pub(super) fn displace(&self, axes: &Axes, probe: usize, t: f64, out: &mut Displacement) {
        match self {
            Lines::Axes => out.push((probe, axes.at(probe).displaced(t))),
            Lines::Tangent(lines) => axes.displace(&lines[probe].moves, |&(i, v)| (i, v * t), out),
            Lines::Groups(groups) => groups.displace(axes, probe, t, out),
            Lines::Random(random) => random.point(probe, t < 0.0, |i, value| out.push((i, value))),
        }
    }

    /// Where that is.
    pub(super) fn place(&self, axes: &Axes, probe: usize, t: f64) -> Place {
        match self {
            Lines::Axes => Place::Axis { coordinate: probe, step: self.realised(axes, probe, t) },
            Lines::Tangent(_) => Place::Tangent { step: t },
            Lines::Groups(groups) => {
                let members = &groups.of.groups[probe];
                let (coordinate, step) = members.first().map_or((0, 0.0), |&i| (i, groups.units[i] * t));
                Place::Group { coordinate, step, others: members.len().saturating_sub(1) }
            }
            Lines::Random(_) => Place::Sample { sample: probe, reversed: t < 0.0 },
        }
    }

    /// Why a probe cannot move, or not by so little.
    pub(super) fn defect(&self, axes: &Axes, probe: usize, step: f64) -> Defect {
        match self {
            Lines::Axes => {
                let (up, down) = axes.at(probe).room();
                if up + down <= 0.0 {
                    Defect::NoRoom { coordinate: probe }
                } else {
                    Defect::StepLost { coordinate: probe, step, text: axes.at(probe).text }
                }
            }
            _ => Defect::TangentLost,
        }
    }
}

impl Line {
    /// Along a direction the step is the longest at which no coordinate moves farther than its own. So a tangent's
    /// length does not matter, nor that its coordinates have different units. Room is what all coordinates have.
    fn new(axes: &Axes, moves: impl Iterator<Item = (usize, f64)>, most: usize) -> Line {
        let mut line = Line { moves: Vec::with_capacity(most), reach: Reach::endless() };
        for (i, v) in moves {
            let axis = axes.at(i);
            let (up, down) = axis.room();
            // The reciprocal of the least numbers is none.
            let per_unit = (1.0 / v.abs()).min(f64::MAX);
            let (ahead, back) = if v > 0.0 { (up, down) } else { (down, up) };
            let scale = axis.scale_here() * per_unit;
            let reach = &mut line.reach;
            reach.up = least(reach.up, ahead * per_unit);
            reach.down = least(reach.down, back * per_unit);
            reach.step = least(reach.step, axis.step() * per_unit);
            reach.by_hand |= axis.kind.by_hand;
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
pub(super) fn least(a: f64, b: f64) -> f64 {
    if b < a { b } else { a }
}
